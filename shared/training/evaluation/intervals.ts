import { betaQuantile, binomialCdf, studentQuantile } from '../../lib/maths/distributions.ts'

/** How an interval was made; reports and JSON name it. */
export type IntervalMethod =
  | 'clopper-pearson'
  | 'exact-paired'
  | 'bca'
  | 'nadeau-bengio'
  | 'reversed-bootstrap'

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

/**
 * Interval of a mean over runs that share rows: the corrected resampled t of Nadeau and Bengio (2003), variance
 * (1/J + n₂/n₁) s² for J runs that each learn from n₁ rows and test on n₂. Null of fewer than two runs.
 * @param testPerTrain n₂/n₁, 1 / (k − 1) for k folds
 */
export function correctedInterval(
  values: readonly number[],
  testPerTrain: number,
): Interval | null {
  const runs = values.length
  if (runs < 2) return null
  const centre = values.reduce((sum, value) => sum + value, 0) / runs
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (runs - 1)
  const error = Math.sqrt((1 / runs + testPerTrain) * variance)
  const reach = studentQuantile(1 - ALPHA / 2, runs - 1) * error
  return { low: centre - reach, high: centre + reach, method: 'nadeau-bengio' }
}

/**
 * The same for a share of right answers, within 0 to 1. Where all runs are nearly alike, as when nothing is ever wrong,
 * their spread says too little: the exact interval of that share on as many rows as were held out stands instead
 * where it is wider.
 */
export function resampledShareInterval(
  values: readonly number[],
  testPerTrain: number,
  rows: number,
): Interval {
  const share = values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)
  const exact = exactInterval(share * rows, rows)
  const corrected = correctedInterval(values, testPerTrain)
  if (corrected === null) return exact
  const low = Math.max(0, corrected.low)
  const high = Math.min(1, corrected.high)
  return high - low < exact.high - exact.low ? exact : { ...corrected, low, high }
}
