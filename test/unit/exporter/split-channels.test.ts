import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitChannels } from '../../../shared/exporter/int8/split-channels.ts'
import type { LayerWeights, Linear } from '../../../shared/exporter/source/weights.ts'

const HIDDEN = 3

function makeLinear(inputs: number, outputs: number, next: () => number): Linear {
  return {
    inputs,
    outputs,
    weight: Float32Array.from({ length: inputs * outputs }, next),
    bias: Float32Array.from({ length: outputs }, next),
  }
}

function makeLayer(width: number, next: () => number): LayerWeights {
  const square = makeLinear(HIDDEN, HIDDEN, next)
  const norm = { gamma: new Float32Array(HIDDEN).fill(1), beta: new Float32Array(HIDDEN) }
  return {
    qkv: makeLinear(HIDDEN, 3 * HIDDEN, next),
    out: square,
    attentionNorm: norm,
    ffnIn: makeLinear(HIDDEN, width, next),
    ffnOut: makeLinear(width, HIDDEN, next),
    outputNorm: norm,
  }
}

function apply({ inputs, outputs, weight, bias }: Linear, x: readonly number[]): number[] {
  return Array.from({ length: outputs }, (_, j) =>
    x.reduce((sum, v, c) => sum + v * (weight[j * inputs + c] as number), bias[j] as number),
  )
}

const relu = (x: number) => Math.max(0, x)
const cases = fc.record({
  width: fc.integer({ min: 1, max: 40 }),
  seed: fc.infiniteStream(fc.double({ min: -2, max: 2, noNaN: true })),
})

describe('splitChannels', () => {
  it('computes the same behind ReLU, with every channel cut at one limit', () => {
    fc.assert(
      fc.property(cases, ({ width, seed }) => {
        const next = () => seed.next().value as number
        const layer = makeLayer(width, next)
        // Widely different reaches, as one channel in a thousand has.
        layer.ffnIn.weight.set(layer.ffnIn.weight.subarray(0, HIDDEN).map((w) => w * 12))
        const inputs = Array.from({ length: 8 }, () => [next(), next(), next()])
        const hidden = inputs.map((x) => apply(layer.ffnIn, x).map(relu))
        const high = Float64Array.from({ length: width }, (_, c) =>
          Math.max(...hidden.map((row) => row[c] as number)),
        )
        const split = splitChannels(layer, { low: new Float64Array(width), high })
        const limit =
          (255 - (split.grid.offset[0] as number)) / (split.grid.multiplier[0] as number)
        for (const [i, x] of inputs.entries()) {
          const cut = apply(split.layer.ffnIn, x).map((value) => Math.min(relu(value), limit))
          const wanted = apply(layer.ffnOut, hidden[i] as number[])
          for (const [j, value] of apply(split.layer.ffnOut, cut).entries()) {
            expect(value).toBeCloseTo(wanted[j] as number, 3)
          }
        }
      }),
      { numRuns: 300, seed: 9 },
    )
  })

  it('gives all channels one step, as fine as 16 copies allow', () => {
    const high = new Float64Array(1536).fill(2)
    high[7] = 24
    const layer = makeLayer(1536, () => 0.5)
    const { grid, layer: wide } = splitChannels(layer, {
      low: new Float64Array(1536).fill(-0.17),
      high,
    })
    expect(wide.ffnIn.outputs).toBe(1552)
    expect(wide.ffnOut.inputs).toBe(1552)
    expect(new Set(grid.multiplier).size).toBe(1)
    expect(new Set(grid.offset).size).toBe(1)
    const [zero, step] = [grid.offset[0] as number, 1 / (grid.multiplier[0] as number)]
    expect(zero * step).toBeGreaterThanOrEqual(0.17)
    // 24 in 12 parts of 2 takes 11 copies; a limit under 2 would need a copy of every channel.
    expect((255 - zero) * step).toBeCloseTo(2.0, 6)
    const shifts = Array.from(wide.ffnIn.bias.subarray(1536, 1547), (bias) => 0.5 - bias)
    for (const [n, shift] of shifts.entries()) expect(shift).toBeCloseTo(2 * (n + 1), 5)
    expect([...wide.ffnIn.bias.subarray(1547)]).toEqual([0, 0, 0, 0, 0])
  })

  it('survives channels that are never positive', () => {
    const layer = makeLayer(4, () => -1)
    const ranges = { low: new Float64Array(4).fill(-0.1), high: new Float64Array(4).fill(-0.1) }
    const { grid } = splitChannels(layer, ranges)
    expect(grid.multiplier.every((value) => Number.isFinite(value) && value > 0)).toBe(true)
    expect(grid.offset.every((value) => value >= 0 && value <= 255)).toBe(true)
  })
})
