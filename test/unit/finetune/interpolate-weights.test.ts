import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { interpolateWeights } from '../../../shared/finetune/interpolate/evaluate-alphas.ts'

const floats = fc.float({ noNaN: true, min: -8, max: 8 })
const pairs = fc.array(fc.tuple(floats, floats), { minLength: 1, maxLength: 40 })

function interpolate(pair: readonly (readonly [number, number])[], alpha: number): Float32Array {
  const into = new Float32Array(pair.length)
  const base = Float32Array.from(pair, ([b]) => b)
  const tuned = Float32Array.from(pair, ([, t]) => t)
  interpolateWeights(base, tuned, alpha, into)
  return into
}

describe('interpolation of weights', () => {
  test('is the base at 0 and the tuned weights at 1, to the bit', () => {
    fc.assert(
      fc.property(pairs, (pair) => {
        expect(interpolate(pair, 0)).toEqual(Float32Array.from(pair, ([b]) => b))
        expect(interpolate(pair, 1)).toEqual(Float32Array.from(pair, ([, t]) => t))
      }),
    )
  })

  test('is linear between them, rounded once', () => {
    fc.assert(
      fc.property(pairs, fc.integer({ min: 1, max: 63 }), (pair, at) => {
        // Sixty-fourths times float32 are exact in float64, so that the line is known to the bit.
        const alpha = at / 64
        const line = pair.map(([b, t]) => Math.fround(b + alpha * (t - b)))
        const between = interpolate(pair, alpha)
        for (const [i, value] of line.entries()) {
          expect(Math.abs((between[i] as number) - value)).toBeLessThanOrEqual(2 ** -20)
        }
        const turned = pair.map(([b, t]) => [t, b] as const)
        expect(interpolate(turned, 1 - alpha)).toEqual(between)
      }),
    )
  })

  test('may be written where the tuned weights are', () => {
    const tuned = Float32Array.of(4, 8)
    interpolateWeights(Float32Array.of(0, 2), tuned, 0.25, tuned)
    expect([...tuned]).toEqual([1, 3.5])
  })
})
