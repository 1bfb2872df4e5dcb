import type { LayerWeights } from '../source/weights.ts'
import type { InputGrid, Ranges } from './quantize.ts'
import { ACTIVATION_LEVELS } from './quantize.ts'

/** Copies that a layer may gain: 1 % of its width, in whole cache lines. */
const COPIES_PER_WIDTH = 16
const WIDTH_UNIT = 1536
/** Most copies of one channel. */
const MAX_COPIES = 8
/** Keeps a layer that is always zero away from division by it. */
const MIN_LIMIT = 1e-3
/** A channel that ends on a limit needs no copy beyond it, whatever division rounded. */
const SLACK = 1e-9

/** A feed-forward part whose inner channels share one step and one offset. */
export interface SplitLayer {
  readonly layer: LayerWeights
  /** The grid of `ffnOut`: the same multiplier and offset for every channel. */
  readonly grid: InputGrid
}

/**
 * Gives all channels behind an activation one step, fine enough for most, by splitting the few that reach
 * far: f(x) = min(f(x), h) + min(f(x − h), h) + …, which holds for ReLU, and for GELU except just under h.
 * Saturation of uint8 is the minimum, so a copy is one more column of `ffnIn` and a repeated row of `ffnOut`.
 * After outlier channel splitting, Zhao et al., 2019, https://arxiv.org/abs/1901.09504.
 */
export function splitChannels(layer: LayerWeights, { low, high }: Ranges): SplitLayer {
  const width = high.length
  const room = COPIES_PER_WIDTH * Math.ceil(width / WIDTH_UNIT)
  const lowest = low.reduce((a, b) => Math.min(a, b), 0)
  // At least half of the steps lie above zero, also where nothing ever does.
  const limit = Math.max(lowestLimit(high, room), -lowest, MIN_LIMIT)
  const zero = Math.ceil((-lowest * ACTIVATION_LEVELS) / (limit - lowest))
  const multiplier = (ACTIVATION_LEVELS - zero) / limit
  const copies: { readonly channel: number; readonly shift: number }[] = []
  for (const [channel, reach] of high.entries()) {
    for (let n = 1; n <= countCopies(reach, limit); n++) copies.push({ channel, shift: n * limit })
  }
  const total = width + room
  return {
    layer: widen(layer, copies, total),
    grid: {
      multiplier: new Float64Array(total).fill(multiplier),
      offset: new Float64Array(total).fill(zero),
    },
  }
}

/** The lowest limit that no more than `room` copies can serve. */
function lowestLimit(high: Float64Array, room: number): number {
  const candidates = Float64Array.from(
    Array.from(high).flatMap((reach) =>
      Array.from({ length: MAX_COPIES + 1 }, (_, n) => Math.max(reach, MIN_LIMIT) / (n + 1)),
    ),
  ).sort()
  let [first, last] = [0, candidates.length - 1]
  while (first < last) {
    const middle = (first + last) >> 1
    const limit = candidates[middle] as number
    const needed = high.reduce((sum, reach) => sum + countCopies(reach, limit), 0)
    if (needed <= room) last = middle
    else first = middle + 1
  }
  return candidates[first] as number
}

function countCopies(reach: number, limit: number): number {
  return Math.max(0, Math.ceil(reach / limit - SLACK) - 1)
}

/** Copies go last; zeros fill up to the total, and add nothing. */
function widen(
  layer: LayerWeights,
  copies: readonly { readonly channel: number; readonly shift: number }[],
  total: number,
): LayerWeights {
  const { ffnIn, ffnOut } = layer
  const weightIn = new Float32Array(total * ffnIn.inputs)
  weightIn.set(ffnIn.weight)
  const biasIn = new Float32Array(total)
  biasIn.set(ffnIn.bias)
  for (const [i, { channel, shift }] of copies.entries()) {
    const row = ffnIn.weight.subarray(channel * ffnIn.inputs, (channel + 1) * ffnIn.inputs)
    weightIn.set(row, (ffnIn.outputs + i) * ffnIn.inputs)
    biasIn[ffnIn.outputs + i] = (ffnIn.bias[channel] as number) - shift
  }
  const weightOut = new Float32Array(ffnOut.outputs * total)
  for (let j = 0; j < ffnOut.outputs; j++) {
    const row = ffnOut.weight.subarray(j * ffnOut.inputs, (j + 1) * ffnOut.inputs)
    weightOut.set(row, j * total)
    for (const [i, { channel }] of copies.entries()) {
      weightOut[j * total + ffnOut.inputs + i] = row[channel] as number
    }
  }
  return {
    ...layer,
    ffnIn: { ...ffnIn, outputs: total, weight: weightIn, bias: biasIn },
    ffnOut: { ...ffnOut, inputs: total, weight: weightOut },
  }
}
