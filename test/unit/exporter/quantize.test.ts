import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assembleLinear,
  MAX_WEIGHT,
  planGrid,
  type QuantizedLinear,
  scaleWeights,
} from '../../../shared/exporter/int8/quantize.ts'
import type { Linear } from '../../../shared/exporter/source/weights.ts'

const cases = fc
  .record({
    inputs: fc.integer({ min: 1, max: 8 }),
    outputs: fc.integer({ min: 1, max: 6 }),
    seed: fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
    flips: fc.infiniteStream(fc.boolean()),
  })
  .map(({ inputs, outputs, seed, flips }) => {
    const next = () => seed.next().value as number
    const linear: Linear = {
      inputs,
      outputs,
      weight: Float32Array.from({ length: inputs * outputs }, next),
      bias: Float32Array.from({ length: outputs }, next),
    }
    const spread = Array.from({ length: inputs }, (_, c) => 10 ** (c % 3))
    const samples = Array.from({ length: 9 }, () => spread.map((s) => s * (next() + 0.3)))
    const column = (c: number) => samples.map((x) => x[c] as number)
    const low = Float64Array.from({ length: inputs }, (_, c) => Math.min(...column(c)))
    const high = Float64Array.from({ length: inputs }, (_, c) => Math.max(...column(c)))
    const grid = planGrid(linear, { low, high })
    const scaled = scaleWeights(linear, grid)
    // Any neighbour of the real value: the bias has to make up for it.
    const rounded = Int8Array.from(scaled.values, (value) => {
      const choice = flips.next().value === true ? Math.floor(value) : Math.ceil(value)
      return Math.max(-MAX_WEIGHT, Math.min(MAX_WEIGHT, choice))
    })
    const quantized = samples.map((x) =>
      x.map((value, c) => {
        const q = value * (grid.multiplier[c] as number) + (grid.offset[c] as number)
        return Math.max(0, Math.min(255, Math.round(q)))
      }),
    )
    const mean = Array.from(
      { length: inputs },
      (_, c) => quantized.reduce((sum, q) => sum + (q[c] as number), 0) / quantized.length,
    )
    return { linear, grid, quantized, layer: assembleLinear(linear, grid, scaled, rounded, mean) }
  })

/** y_j = scale_j · Σ_c q_c·weights_cj + bias_j. */
function run({ weights, scale, bias }: QuantizedLinear, q: readonly number[]): number[] {
  return Array.from(scale, (unit, j) => {
    const sum = q.reduce((total, x, c) => total + x * (weights[c * scale.length + j] as number), 0)
    return unit * sum + (bias[j] as number)
  })
}

describe('a quantised linear layer', () => {
  it('keeps the mean of its outputs, however the weights were rounded', () => {
    fc.assert(
      fc.property(cases, ({ linear, grid, quantized, layer }) => {
        const { inputs, outputs, weight, bias } = linear
        const totals = new Float64Array(outputs)
        for (const q of quantized) {
          const x = q.map(
            (value, c) => (value - (grid.offset[c] as number)) / (grid.multiplier[c] as number),
          )
          const got = run(layer, q)
          for (let j = 0; j < outputs; j++) {
            const exact = x.reduce(
              (sum, value, c) => sum + value * (weight[j * inputs + c] as number),
              bias[j] as number,
            )
            totals[j] = (totals[j] as number) + (got[j] as number) - exact
          }
        }
        for (const total of totals) expect(Math.abs(total)).toBeLessThan(1e-8)
      }),
      { numRuns: 300, seed: 4 },
    )
  })

  it('keeps weights in ±63 and inputs of the calibrated range on the grid', () => {
    fc.assert(
      fc.property(cases, ({ layer, quantized }) => {
        for (const weight of layer.weights) expect(Math.abs(weight)).toBeLessThanOrEqual(MAX_WEIGHT)
        for (const shift of layer.offset) expect(Number.isInteger(shift)).toBe(true)
        for (const q of quantized.flat()) {
          expect(q).toBeGreaterThanOrEqual(0)
          expect(q).toBeLessThanOrEqual(255)
        }
      }),
      { numRuns: 200, seed: 8 },
    )
  })
})
