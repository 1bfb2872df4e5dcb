import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planEpoch, planPass } from '../../../shared/finetune/rows/batches.ts'
import { widthOf } from '../../../shared/finetune/text/token-rows.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'

const lengthsArbitrary = fc
  .array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 300 })
  .map((lengths) => Int32Array.from(lengths))

function rowsOf(batches: readonly Int32Array[]): number[] {
  return batches.flatMap((batch) => Array.from(batch)).sort((a, b) => a - b)
}

describe('an epoch', () => {
  test('holds every row once, in full batches but one', () => {
    fc.assert(
      fc.property(lengthsArbitrary, fc.integer({ min: 1, max: 40 }), (lengths, size) => {
        const batches = planEpoch(lengths, size, createRandom(1))
        expect(rowsOf(batches)).toEqual(Array.from(lengths.keys()))
        expect(batches).toHaveLength(Math.ceil(lengths.length / size))
        expect(batches.filter((batch) => batch.length !== size).length).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('pads far less than rows as they come', () => {
    const random = createRandom(5)
    const lengths = Int32Array.from({ length: 3200 }, () => 4 + random.below(60))
    const padded = (batches: readonly Int32Array[]) =>
      batches.reduce((sum, batch) => sum + batch.length * widthOf(lengths, batch), 0)
    const real = lengths.reduce((sum, length) => sum + length, 0)
    expect(padded(planEpoch(lengths, 32, createRandom(1))) / real).toBeLessThan(1.05)
    expect(padded(planPass(Int32Array.from(lengths.keys()), 32)) / real).toBeGreaterThan(1.5)
  })

  test('differs by seed and by epoch, and repeats with its seed', () => {
    const lengths = new Int32Array(200).fill(7)
    const plan = (seed: number, epochs: number) => {
      const random = createRandom(seed)
      return Array.from({ length: epochs }, () => planEpoch(lengths, 16, random).map(String))
    }
    expect(plan(3, 2)).toEqual(plan(3, 2))
    expect(plan(3, 1)).not.toEqual(plan(4, 1))
    const [first, second] = plan(3, 2)
    expect(first).not.toEqual(second)
  })
})

test('a pass holds every row once, short ones first', () => {
  fc.assert(
    fc.property(lengthsArbitrary, (lengths) => {
      const batches = planPass(lengths, 8)
      expect(rowsOf(batches)).toEqual(Array.from(lengths.keys()))
      const widths = batches.map((batch) => widthOf(lengths, batch))
      expect(widths).toEqual(widths.toSorted((a, b) => a - b))
    }),
  )
})
