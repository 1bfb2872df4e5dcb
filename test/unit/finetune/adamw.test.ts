import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import loadWabt from 'wabt'
import type { Parameter } from '../../../shared/finetune/graph/types.ts'
import { type AdamWStep, createAdamW } from '../../../shared/finetune/optimise/adamw.ts'
import { ADAMW_CODE } from '../../../shared/finetune/optimise/adamw-code.ts'
import golden from '../../golden/adamw.json' with { type: 'json' }

function parameter(values: readonly number[], part: Partial<Parameter> = {}): Parameter {
  const initial = Float32Array.from(values)
  return { name: 'p', dims: [initial.length], group: 'encoder', decay: true, initial, ...part }
}

test('the committed code is what adamw.wat assembles to', async () => {
  const wabt = await loadWabt()
  const source = readFileSync(
    new URL('../../../shared/finetune/optimise/adamw.wat', import.meta.url),
    'utf8',
  )
  const { buffer } = wabt.parseWat('adamw.wat', source, { simd: true }).toBinary({})
  expect(Buffer.from(buffer).toString('base64')).toBe(ADAMW_CODE)
})

test('follows PyTorch over a schedule with two groups', () => {
  const names = ['weight', 'bias', 'head'] as const
  const adamw = createAdamW([
    parameter(golden.start.weight),
    parameter(golden.start.bias, { decay: false }),
    parameter(golden.start.head, { group: 'head' }),
  ])
  for (const [step, rate] of golden.rates.entries()) {
    const gradients = golden.gradients[step] as (typeof golden.gradients)[number]
    adamw.step(
      names.map((name) => Float32Array.from(gradients[name])),
      {
        rates: { encoder: rate, head: rate * golden.headFactor },
        weightDecay: golden.decay,
        scale: 1,
      },
    )
    for (const [index, name] of names.entries()) {
      const expected = golden.weights[step]?.[name] as number[]
      const actual = adamw.weights[index] as Float32Array
      for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 6)
    }
  }
})

/** Algorithm 2 of the paper in float64, for one weight. */
function reference(start: number, gradients: readonly number[], step: AdamWStep): number {
  const [b1, b2, epsilon] = [0.9, 0.999, 1e-8]
  let [w, m, v] = [start, 0, 0]
  for (const [index, raw] of gradients.entries()) {
    const g = raw * step.scale
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    const t = index + 1
    const move = m / (1 - b1 ** t) / (Math.sqrt(v / (1 - b2 ** t)) + epsilon)
    w -= step.rates.encoder * (move + step.weightDecay * w)
  }
  return w
}

describe('against the paper in float64', () => {
  test('parameters of any length, also beyond one chunk, clipped and decayed', () => {
    const number = fc.double({ min: -3, max: 3, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(16_387)), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.array(number, { minLength: 7, maxLength: 7 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 5 }),
        (sizes, values, scale, steps) => {
          const value = (i: number) => values[i % values.length] as number
          const parameters = sizes.map((size) =>
            parameter(Array.from({ length: size }, (_, i) => value(i))),
          )
          const options = { rates: { encoder: 0.01, head: 0 }, weightDecay: 0.1, scale }
          const adamw = createAdamW(parameters)
          for (let step = 0; step < steps; step++) {
            const gradients = sizes.map((size) =>
              Float32Array.from({ length: size }, (_, i) => value(i + step + 1)),
            )
            adamw.step(gradients, options)
          }
          for (const weights of adamw.weights) {
            for (const i of [0, weights.length >> 1, weights.length - 1]) {
              const gradients = Array.from({ length: steps }, (_, step) =>
                Math.fround(value(i + step + 1)),
              )
              const expected = reference(Math.fround(value(i)), gradients, options)
              expect(Math.abs((weights[i] as number) - expected)).toBeLessThan(2e-6)
            }
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  test('saved weights come back to the bit', () => {
    const adamw = createAdamW([parameter([1, 2, 3]), parameter([4])])
    const saved = adamw.save()
    adamw.step([Float32Array.of(1, 1, 1), Float32Array.of(1)], {
      rates: { encoder: 0.1, head: 0.1 },
      weightDecay: 0,
      scale: 1,
    })
    expect(Array.from(adamw.weights[0] as Float32Array)).not.toEqual([1, 2, 3])
    adamw.restore(saved)
    expect(adamw.weights.map((view) => Array.from(view))).toEqual([[1, 2, 3], [4]])
    expect(adamw.steps).toBe(1)
    expect(adamw.count).toBe(4)
  })
})

test('a restart forgets weights, moments and steps', () => {
  const gradients = [Float32Array.of(1, -2)]
  const options = { rates: { encoder: 0.1, head: 0.1 }, weightDecay: 0.01, scale: 1 }
  const [used, fresh] = [createAdamW([parameter([5, 5])]), createAdamW([parameter([1, 2])])]
  used.step(gradients, options)
  used.restart([Float32Array.of(1, 2)])
  expect(used.steps).toBe(0)
  for (const adamw of [used, fresh]) adamw.step(gradients, options)
  expect(used.weights).toEqual(fresh.weights)
})

test('more weights than WebAssembly can address are refused by number', () => {
  const initial = { length: 500_000_000 } as Float32Array
  expect(() => createAdamW([parameter([], { initial })])).toThrow(
    '500 million weights to train, at most 357 million are possible: train fewer layers',
  )
})
