import type { EncoderWeights } from '../source/weights.ts'
import { siteKey } from './calibration-file.ts'
import type { Ranges } from './quantize.ts'
import { type CalibrateOptions, runTapped, tapName } from './tapped-run.ts'

const ENDS = [
  ['low', 'ReduceMin'],
  ['high', 'ReduceMax'],
] as const

/**
 * Runs token ids of the calibration texts through the encoder in float64 and records the range of every
 * input channel of every linear layer.
 */
export async function measureRanges(
  weights: EncoderWeights,
  texts: readonly Int32Array[],
  options: CalibrateOptions,
): Promise<Map<string, Ranges>> {
  const ranges = new Map<string, Ranges>()
  await runTapped(
    weights,
    texts,
    {
      add(g, site, input, { inputs }) {
        ranges.set(siteKey(site), {
          low: new Float64Array(inputs).fill(Infinity),
          high: new Float64Array(inputs).fill(-Infinity),
        })
        return ENDS.map(([end, op]) => {
          const name = tapName(site, end)
          g.op(op, [input], { axes: [0], keepdims: 0 }, { outputs: [name] })
          return { name, type: 'float64', shape: [inputs] }
        })
      },
      take(values) {
        for (const [key, { low, high }] of ranges) {
          fold(low, values.get(`${key}.low`), Math.min)
          fold(high, values.get(`${key}.high`), Math.max)
        }
      },
    },
    options,
  )
  return ranges
}

function fold(
  into: Float64Array,
  values: ArrayLike<number> | undefined,
  pick: (a: number, b: number) => number,
): void {
  for (let c = 0; c < into.length; c++) into[c] = pick(into[c] as number, values?.[c] as number)
}
