import { studentQuantile } from '../../lib/maths/distributions.ts'
import { ALPHA, exactInterval, type Interval } from './proportion.ts'

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
