import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { roundWithFeedback } from '../../../shared/exporter/int8/error-feedback.ts'

const LIMIT = 63

/** A matrix [outputs, inputs] with samples of its inputs, from small whole numbers. */
const cases = fc
  .record({
    inputs: fc.integer({ min: 1, max: 6 }),
    outputs: fc.integer({ min: 1, max: 4 }),
    seed: fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
  })
  .map(({ inputs, outputs, seed }) => {
    const next = () => seed.next().value as number
    const samples = Array.from({ length: 12 }, () => {
      const common = next() * 40
      return Array.from({ length: inputs }, () => common + next() * 10)
    })
    const values = Float64Array.from({ length: inputs * outputs }, () => next() * (LIMIT + 1))
    return { inputs, outputs, samples, values }
  })

function covarianceOf(samples: readonly number[][], from: number, size: number): Float64Array {
  const mean = (c: number) => samples.reduce((sum, x) => sum + (x[c] as number), 0) / samples.length
  const means = Array.from({ length: size }, (_, c) => mean(from + c))
  return Float64Array.from({ length: size * size }, (_, at) => {
    const [a, b] = [Math.floor(at / size), at % size]
    const products = samples.map(
      (x) =>
        ((x[from + a] as number) - (means[a] as number)) *
        ((x[from + b] as number) - (means[b] as number)),
    )
    return products.reduce((sum, product) => sum + product, 0) / samples.length
  })
}

/** eᵀ·(H + damping)·e of one output, worked out apart from the code under test. */
function errorOf(error: readonly number[], covariance: Float64Array): number {
  const size = error.length
  const trace = error.reduce((sum, _, c) => sum + (covariance[c * size + c] as number), 0)
  const damping = Math.max((0.01 * trace) / size, 1e-6)
  let total = 0
  for (let a = 0; a < size; a++) {
    for (let b = 0; b < size; b++) {
      const weight = (covariance[a * size + b] as number) + (a === b ? damping : 0)
      total += weight * (error[a] as number) * (error[b] as number)
    }
  }
  return total
}

const clip = (value: number) => Math.max(-LIMIT, Math.min(LIMIT, value))

describe('roundWithFeedback', () => {
  it('lets a channel take up the error of the one rounded before it', () => {
    // By hand: the second is rounded first, 0.4 → 0; the first then wants 0.4 + 0.9/1.01·0.4 = 0.756 → 1.
    const rounded = new Int8Array(2)
    const target = { values: Float64Array.of(0.4, 0.4), inputs: 2, outputs: 1, limit: LIMIT }
    roundWithFeedback(target, 0, Float64Array.of(1, 0.9, 0.9, 1), rounded)
    expect([...rounded]).toEqual([1, 0])
  })

  it('rounds to nearest where channels are independent', () => {
    const values = Float64Array.of(0.4, -0.6, 12.7, -62.9, 3, 63)
    const rounded = new Int8Array(6)
    const covariance = Float64Array.from({ length: 9 }, (_, at) => (at % 4 === 0 ? at + 1 : 0))
    roundWithFeedback({ values, inputs: 3, outputs: 2, limit: LIMIT }, 0, covariance, rounded)
    expect([...rounded]).toEqual([0, -1, 13, -63, 3, 63])
  })

  it('never makes an output worse than nearest rounding, and stays beside the value', () => {
    fc.assert(
      fc.property(cases, ({ inputs, outputs, samples, values }) => {
        const covariance = covarianceOf(samples, 0, inputs)
        const rounded = new Int8Array(values.length)
        roundWithFeedback({ values, inputs, outputs, limit: LIMIT }, 0, covariance, rounded)
        for (let j = 0; j < outputs; j++) {
          const row = Array.from(values.subarray(j * inputs, (j + 1) * inputs))
          const fed = row.map((value, c) => value - (rounded[j * inputs + c] as number))
          const nearest = row.map((value) => value - clip(Math.round(value)))
          expect(errorOf(fed, covariance)).toBeLessThanOrEqual(
            errorOf(nearest, covariance) * (1 + 1e-9) + 1e-9,
          )
          for (const [c, value] of row.entries()) {
            const choices = [clip(Math.floor(value)), clip(Math.floor(value) + 1)]
            expect(choices).toContain(rounded[j * inputs + c])
          }
        }
      }),
      { numRuns: 500, seed: 5 },
    )
  })

  it('gains on correlated inputs', () => {
    let [fedTotal, nearestTotal] = [0, 0]
    for (const { inputs, outputs, samples, values } of fc.sample(cases, {
      numRuns: 300,
      seed: 6,
    })) {
      const covariance = covarianceOf(samples, 0, inputs)
      const rounded = new Int8Array(values.length)
      roundWithFeedback({ values, inputs, outputs, limit: LIMIT }, 0, covariance, rounded)
      for (let j = 0; j < outputs; j++) {
        const row = Array.from(values.subarray(j * inputs, (j + 1) * inputs))
        const fed = row.map((value, c) => value - (rounded[j * inputs + c] as number))
        fedTotal += errorOf(fed, covariance)
        nearestTotal += errorOf(
          row.map((value) => value - clip(Math.round(value))),
          covariance,
        )
      }
    }
    expect(fedTotal).toBeLessThan(0.75 * nearestTotal)
  })

  it('leaves the channels of other blocks alone', () => {
    const rounded = new Int8Array(4).fill(9)
    const values = Float64Array.of(1.2, 2.2, 3.2, 4.2)
    roundWithFeedback(
      { values, inputs: 4, outputs: 1, limit: LIMIT },
      1,
      Float64Array.of(1, 0, 0, 1),
      rounded,
    )
    expect([...rounded]).toEqual([9, 2, 3, 9])
  })
})
