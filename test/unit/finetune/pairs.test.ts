import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPairSampler } from '../../../shared/finetune/rows/pairs.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'

const groupsArbitrary = fc
  .array(fc.integer({ min: 0, max: 6 }), { minLength: 5, maxLength: 90 })
  .map((groups) => Int32Array.from(groups))

test('a batch has distinct rows, their pairs by label, and both kinds weigh the same', () => {
  fc.assert(
    fc.property(groupsArbitrary, fc.integer({ min: 4, max: 32 }), (groups, size) => {
      const { rows, targets, weights } = createPairSampler(groups, size, createRandom(2)).next()
      const n = Math.min(size, groups.length)
      expect(new Set(rows).size).toBe(n)
      const sums = [0, 0]
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const at = i * n + j
          const same = groups[rows[i] as number] === groups[rows[j] as number]
          expect(targets[at]).toBe(same ? 1 : 0)
          if (i === j) expect(weights[at]).toBe(0)
          else sums[same ? 1 : 0] = (sums[same ? 1 : 0] as number) + (weights[at] as number)
        }
      }
      const [negative, positive] = sums as [number, number]
      if (negative > 0 && positive > 0) expect(negative).toBeCloseTo(positive, 3)
    }),
  )
})

test('every row comes up before long, rare labels as often as frequent ones', () => {
  const groups = Int32Array.from({ length: 64 }, (_, row) => (row < 4 ? 0 : 1 + (row % 3)))
  const sampler = createPairSampler(groups, 16, createRandom(1))
  const seen = new Int32Array(64)
  for (let batch = 0; batch < 32; batch++) for (const row of sampler.next().rows) seen[row]!++
  expect(Math.min(...seen)).toBeGreaterThan(0)
  expect(Math.max(...seen.subarray(0, 4))).toBeGreaterThan(2 * Math.max(...seen.subarray(4)))
})

test('the same seed draws the same batches', () => {
  const groups = Int32Array.from({ length: 40 }, (_, row) => row % 5)
  const draw = (seed: number) => {
    const sampler = createPairSampler(groups, 12, createRandom(seed))
    return Array.from({ length: 4 }, () => String(sampler.next().rows))
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
})
