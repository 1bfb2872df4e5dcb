import type { Device } from './session.ts'

/** Limits of one padded run. */
export interface GroupingLimits {
  /** Most padded tokens of a run (texts × longest); a longer single text runs alone. */
  readonly maxTokens: number
  /** Padding that a run may waste: this many tokens … */
  readonly slackTokens: number
  /** … plus this share of its real tokens. */
  readonly slackRatio: number
  /** Waiting inputs looked at for one run: enough to find neighbours in length, few enough to cost microseconds. */
  readonly window: number
  /** Most inputs of a run. No bound where it is absent. */
  readonly maxRows?: number
  /** Most bytes of a job; a single larger input goes alone. No bound where it is absent: texts are small. */
  readonly maxBytes?: number
}

/**
 * Limits measured best on CPUs. Starting a run costs as much as 5 tokens in int8 and 20 in float32, so that
 * little padding pays for itself; beyond 512 tokens a run gains nothing and its activations leave the caches.
 */
export const CPU_GROUPING: GroupingLimits = {
  maxTokens: 512,
  slackTokens: 8,
  slackRatio: 0.03,
  window: 256,
}

/** GPUs want larger runs, of a thousand short texts; padding costs them little. */
const GPU_GROUPING: GroupingLimits = {
  maxTokens: 16_384,
  slackTokens: 256,
  slackRatio: 0.25,
  window: 1_024,
}

/** Images of one job: while one runs the next is decoded. Longer jobs let others wait, at some 8 ms an image. */
const IMAGES_A_JOB = 8
/** What waits in workers is beyond the queue's bound of bytes: no more than eight photographs of this size. */
const JOB_IMAGE_BYTES = 2 ** 20

/** The limits of a run on a device. */
export function groupingFor(device: Device): GroupingLimits {
  return device === 'cpu' ? CPU_GROUPING : GPU_GROUPING
}

/** The limits of a job of images, which run one at a time on any device. @param tokens what an image counts */
export function groupingOfImages(tokens: number): GroupingLimits {
  return { ...CPU_GROUPING, maxTokens: IMAGES_A_JOB * tokens, maxBytes: JOB_IMAGE_BYTES }
}

/** The limits of a graph of which every run holds a given number of texts at most. */
export function groupingOfRows(
  rows: number,
  tokens: number | null,
  limits: GroupingLimits,
): GroupingLimits {
  if (rows === 1) return { ...limits, maxTokens: 1 }
  return { ...limits, maxTokens: tokens === null ? limits.maxTokens : rows * tokens, maxRows: rows }
}

/** Inputs that run together: positions in the caller's list, and the padded length. */
export interface Group {
  readonly members: readonly number[]
  readonly width: number
}

/**
 * The length at which an input of a graph that is not ours takes part in padding. Common reductions add
 * four terms at a time and treat the rest apart, so that widths of other remainders round differently; our
 * own graphs are written to give the same bits at every width.
 */
export function alignForeignLength(tokens: number): number {
  return Math.ceil(tokens / 4) * 4
}

/**
 * Puts inputs of near-equal length together: longest first, each group as long as the token budget and
 * the waste limit allow. Every input is in exactly one group.
 * @param lengths tokens of each input
 */
export function groupByLength(lengths: ArrayLike<number>, limits: GroupingLimits): Group[] {
  const order = Array.from({ length: lengths.length }, (_, i) => i)
  order.sort((a, b) => length(b) - length(a) || a - b)
  const groups: Group[] = []
  let start = 0
  while (start < order.length) {
    const width = length(order[start] as number)
    let real = width
    let end = start + 1
    while (end < order.length) {
      const padded = width * (end - start + 1)
      const nextReal = real + length(order[end] as number)
      const waste = padded - nextReal
      if (padded > limits.maxTokens || end - start >= (limits.maxRows ?? Infinity)) break
      if (waste > limits.slackTokens + limits.slackRatio * nextReal) break
      real = nextReal
      end += 1
    }
    groups.push({ members: order.slice(start, end), width })
    start = end
  }
  return groups

  function length(index: number): number {
    return lengths[index] as number
  }
}
