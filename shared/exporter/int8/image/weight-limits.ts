import type { ConvolutionSite } from './convolution-sites.ts'

/** What int8 holds, the same on both sides of zero. */
const MAX_WEIGHT = 127
/**
 * CPUs without VNNI, AMX or dot products add neighbouring products in 16 bits: 255 times the sum of two weights must
 * fit, which 128 is the most for. Rounding adds less than one to each of the two.
 */
const MAX_PAIR = 126
/** Where the pairs are not known, half the range is safe for any. */
const MAX_ALONE = 63

type Row = Pick<ConvolutionSite, 'outputs' | 'groups' | 'kernel' | 'taps'>

/**
 * The smallest step at which the weights of an output [taps] cannot saturate sums of pairs on any CPU: 8 bits are
 * used as far as large weights are no neighbours. A convolution of each channel by itself keeps to 7 bits.
 */
export function leastStep(site: Row, weights: ArrayLike<number>): number {
  let largest = 0
  for (let t = 0; t < site.taps; t++) largest = Math.max(largest, Math.abs(weights[t] as number))
  if (isDepthwise(site)) return largest / MAX_ALONE
  return Math.max(largest / MAX_WEIGHT, widestPair(site, weights) / MAX_PAIR)
}

/** Whether rounded weights of an output keep the promise of `leastStep`. */
export function areSafe(site: Row, weights: ArrayLike<number>): boolean {
  for (let t = 0; t < site.taps; t++) {
    const limit = isDepthwise(site) ? MAX_ALONE : MAX_WEIGHT
    if (Math.abs(weights[t] as number) > limit) return false
  }
  return isDepthwise(site) || widestPair(site, weights) <= MAX_PAIR + 2
}

function isDepthwise({ outputs, groups, kernel, taps }: Row): boolean {
  return outputs === groups && taps === kernel[0] * kernel[1]
}

/** The largest sum of two neighbours of one sign, whether channels or positions come first in memory. */
function widestPair({ kernel, taps }: Row, weights: ArrayLike<number>): number {
  const area = kernel[0] * kernel[1]
  const channels = taps / area
  let widest = 0
  const compare = (x: number, y: number) => {
    if (x * y > 0) widest = Math.max(widest, Math.abs(x + y))
  }
  for (let t = 1; t < taps; t++) compare(weights[t - 1] as number, weights[t] as number)
  if (area === 1 || channels === 1) return widest
  const at = (n: number) => weights[(n % channels) * area + Math.floor(n / channels)] as number
  for (let n = 1; n < taps; n++) compare(at(n - 1), at(n))
  return widest
}
