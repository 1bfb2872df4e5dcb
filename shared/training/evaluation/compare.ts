import { createRandom } from '../../lib/maths/random.ts'

/** Accuracy of a minus accuracy of b, with a 95 % interval. */
export interface Comparison {
  readonly difference: number
  readonly low: number
  readonly high: number
}

/**
 * Paired bootstrap of the accuracy difference of two heads on the same rows (percentile interval).
 * Inputs hold 1 where the head was right; with several labels a row, where its whole answer was.
 */
export function compareHeads(
  a: Uint8Array,
  b: Uint8Array,
  options: { readonly seed?: number; readonly samples?: number } = {},
): Comparison {
  if (a.length !== b.length) throw new RangeError(`${a.length} rows against ${b.length}`)
  const rows = a.length
  if (rows === 0) return { difference: 0, low: 0, high: 0 }
  let total = 0
  for (let i = 0; i < rows; i++) total += a[i]! - b[i]!
  const random = createRandom(options.seed ?? 42)
  const samples = options.samples ?? 1000
  const differences = Float64Array.from({ length: samples }, () => {
    let sum = 0
    for (let i = 0; i < rows; i++) {
      const row = random.below(rows)
      sum += a[row]! - b[row]!
    }
    return sum / rows
  }).sort()
  return {
    difference: total / rows,
    low: differences[Math.floor(0.025 * samples)]!,
    high: differences[Math.min(samples - 1, Math.ceil(0.975 * samples) - 1)]!,
  }
}

/** How well a distance separates rows of the trained kind from others. */
export interface OodRanking {
  /** Chance that a foreign row is further out than one of the trained kind; ties count half. */
  readonly auroc: number
  /** Share of foreign rows that pass where 95 % of the trained kind pass. */
  readonly fpr95: number
}

/** Ranks distances of in-distribution rows against those of foreign rows; higher means further out. */
export function rankOod(inside: Float32Array, outside: Float32Array): OodRanking {
  const sorted = Float32Array.from(inside).sort()
  let wins = 0
  for (const distance of outside) {
    const below = countBelow(sorted, distance, false)
    const upTo = countBelow(sorted, distance, true)
    wins += (below + upTo) / 2
  }
  const limit = sorted[Math.ceil(0.95 * sorted.length) - 1] ?? 0
  let passed = 0
  for (const distance of outside) if (distance <= limit) passed++
  return {
    auroc: wins / (inside.length * outside.length),
    fpr95: passed / outside.length,
  }
}

/** Values smaller than `limit`, or up to it. */
function countBelow(sorted: Float32Array, limit: number, inclusive: boolean): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const value = sorted[middle]!
    if (value < limit || (inclusive && value === limit)) low = middle + 1
    else high = middle
  }
  return low
}
