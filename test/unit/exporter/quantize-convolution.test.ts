import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ConvolutionSite } from '../../../shared/exporter/int8/image/convolution-sites.ts'
import {
  quantizeConvolution,
  roundConvolution,
} from '../../../shared/exporter/int8/image/quantize-convolution.ts'

/** A convolution in groups, its largest weights side by side or apart, with samples of what it reads. */
const cases = fc
  .record({
    groups: fc.integer({ min: 1, max: 3 }),
    perGroup: fc.integer({ min: 1, max: 3 }),
    channels: fc.integer({ min: 1, max: 4 }),
    kernel: fc.constantFrom<[number, number]>([1, 1], [1, 2], [2, 2]),
    step: fc.constantFrom(6 / 255, 0.01, 2).map(Math.fround),
    seed: fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
  })
  .map(({ groups, perGroup, channels, kernel, step, seed }) => {
    const taps = channels * kernel[0] * kernel[1]
    const next = () => seed.next().value as number
    const outputs = groups * perGroup
    const site: ConvolutionSite = {
      node: { name: '', op: 'Conv', domain: '', inputs: [], outputs: [], attributes: {} },
      input: 'x',
      output: 'y',
      groups,
      outputs,
      kernel,
      taps,
      weight: Float32Array.from({ length: outputs * taps }, next),
      bias: Float32Array.from({ length: outputs }, next),
    }
    const samples = Array.from({ length: 9 }, () => {
      const common = next()
      return Array.from({ length: groups * taps }, () => 100 * step * (common + next()))
    })
    return { site, step, samples }
  })

const average = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length

describe('a convolution in int8', () => {
  it('has weights within a step of their own and the mean output of the real ones', () => {
    fc.assert(
      fc.property(cases, ({ site, step, samples }) => {
        const { groups, outputs, taps, weight, bias } = site
        const mean = Float64Array.from({ length: groups * taps }, (_, t) =>
          average(samples.map((x) => x[t]!)),
        )
        const blocks = Array.from({ length: groups }, (_, group) => {
          const at = (i: number) => group * taps + i
          const covariance = Float64Array.from({ length: taps * taps }, (_, n) => {
            const [a, b] = [at(Math.floor(n / taps)), at(n % taps)]
            return average(samples.map((x) => (x[a]! - mean[a]!) * (x[b]! - mean[b]!)))
          })
          return { group, from: 0, covariance }
        })
        const grid = { step, zero: 0 }
        const learned = roundConvolution(site, grid, { mean, blocks })
        const made = quantizeConvolution(site, grid, learned)
        for (let j = 0; j < outputs; j++) {
          const first = Math.floor((j * groups) / outputs) * taps
          let [real, sum] = [bias![j]!, made.bias[j]!]
          for (let t = 0; t < taps; t++) {
            const q = made.weights[j * taps + t]!
            const off = q * made.scale[j]! - weight[j * taps + t]!
            expect(Math.abs(off)).toBeLessThanOrEqual(made.scale[j]! * (1 + 1e-6))
            real += weight[j * taps + t]! * mean[first + t]!
            sum += (q * mean[first + t]!) / step
          }
          // Bias and shift are rounded to a step of the sum each.
          const unit = step * made.scale[j]!
          expect(Math.abs(sum * unit - real)).toBeLessThanOrEqual(unit * 1.001)
        }
      }),
    )
  })

  it('cannot saturate sums of neighbouring products in 16 bits, in either order of memory', () => {
    const zeros = ({ groups, taps }: ConvolutionSite) => ({
      mean: new Float64Array(groups * taps),
      blocks: Array.from({ length: groups }, (_, group) => ({
        group,
        from: 0,
        covariance: new Float64Array(taps * taps).fill(1),
      })),
    })
    fc.assert(
      fc.property(cases, ({ site, step }) => {
        const grid = { step, zero: 0 }
        const { weights } = quantizeConvolution(
          site,
          grid,
          roundConvolution(site, grid, zeros(site)),
        )
        const area = site.kernel[0] * site.kernel[1]
        for (let j = 0; j < site.outputs; j++) {
          const row = [...weights.subarray(j * site.taps, (j + 1) * site.taps)]
          const channelsFirst = row
          const channelsLast = Array.from({ length: area }, (_, position) =>
            row.filter((_, t) => t % area === position),
          ).flat()
          for (const order of [channelsFirst, channelsLast]) {
            for (let t = 1; t < order.length; t++) {
              for (const [a, b] of [
                [255, 255],
                [255, 0],
                [0, 255],
              ] as const) {
                const sum = a * order[t - 1]! + b * order[t]!
                expect(sum).toBe((sum << 16) >> 16)
              }
            }
          }
        }
      }),
    )
  })
})
