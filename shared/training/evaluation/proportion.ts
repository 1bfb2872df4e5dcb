import { betaQuantile, binomialCdf } from '../../lib/maths/distributions.ts'

/** How an interval was made; reports and JSON name it. */
export type IntervalMethod = 'clopper-pearson' | 'exact-paired' | 'bca' | 'nadeau-bengio'

/** A 95 % interval. */
export interface Interval {
  readonly low: number
  readonly high: number
  readonly method: IntervalMethod
}

/** What an interval may miss on either side together. */
export const ALPHA = 0.05
/** Nobody labels more rows for one figure. */
const MAX_ROWS = 1_000_000

/**
 * Exact interval of a share (Clopper and Pearson 1934): it holds the truth in at least 95 of 100 tests, whatever the
 * number of rows, and has a width where all or none are right. Of no rows it is 0 to 1.
 */
export function exactInterval(successes: number, rows: number): Interval {
  return {
    low: betaQuantile(ALPHA / 2, successes, rows - successes + 1),
    high: betaQuantile(1 - ALPHA / 2, successes + 1, rows - successes),
    method: 'clopper-pearson',
  }
}

/** The exact interval of the share of ones. */
export function intervalOfRight(right: Uint8Array): Interval {
  return exactInterval(
    right.reduce((sum, one) => sum + one, 0),
    right.length,
  )
}

/** Rows from which on the exact interval of a share like this one reaches no further than `margin` to either side. */
export function rowsForMargin(share: number, margin: number): number {
  const fits = (rows: number): boolean => {
    const successes = Math.round(share * rows)
    const { low, high } = exactInterval(successes, rows)
    const value = successes / rows
    return value - low <= margin && high - value <= margin
  }
  let high = 1
  while (high < MAX_ROWS && !fits(high)) high *= 2
  let low = high / 2
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (fits(middle)) high = middle
    else low = middle
  }
  return high
}

/** Two-sided exact test of McNemar (1947): how likely so uneven a split of the rows that only one has right is by chance. */
export function exactPairedTest(onlyA: number, onlyB: number): number {
  return Math.min(1, 2 * binomialCdf(Math.min(onlyA, onlyB), onlyA + onlyB, 0.5))
}
