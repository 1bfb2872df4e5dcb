import { chiSquareSurvival, kolmogorovSurvival, logGamma } from './distributions.ts'

/** Expected counts below this make the chi-square approximation too small in its tail (Cochran 1954). */
const LEAST_EXPECTED = 5
/** Probabilities that differ by rounding alone count as equal. */
const ROUNDING = 1 + 1e-7

/** How far two samples are apart, and how likely that is where both come from one distribution. */
export interface CountTest {
  readonly statistic: number
  readonly pValue: number
}

/**
 * Two-sided exact test of Fisher (1934) that two shares are equal: `a` of `n` and `b` of `m`. It counts the sampling
 * error of both samples. 1 where either is empty.
 */
export function fisherExactTest(a: number, n: number, b: number, m: number): number {
  const successes = a + b
  const low = Math.max(0, successes - m)
  const high = Math.min(n, successes)
  if (n === 0 || m === 0 || low === high) return 1
  const logChoose = (total: number, chosen: number) =>
    logGamma(total + 1) - logGamma(chosen + 1) - logGamma(total - chosen + 1)
  const base = logChoose(n + m, successes)
  const probability = (k: number) => Math.exp(logChoose(n, k) + logChoose(m, successes - k) - base)
  const limit = probability(a) * ROUNDING
  // Outwards from the most probable split, so that what is too small for a number comes last.
  const mode = Math.floor(((n + 1) * (successes + 1)) / (n + m + 2))
  let sum = 0
  for (let k = mode, p = probability(mode); k >= low && p > 0; k--) {
    if (p <= limit) sum += p
    p *= (k * (m - successes + k)) / ((n - k + 1) * (successes - k + 1))
  }
  for (let k = mode + 1, p = k > high ? 0 : probability(k); k <= high && p > 0; k++) {
    if (p <= limit) sum += p
    p *= ((n - k) * (successes - k)) / ((k + 1) * (m - successes + k + 1))
  }
  return Math.min(1, sum)
}

/**
 * Chi-square test of homogeneity of two samples of counts over the same cells. Cells that either sample is expected to
 * have fewer than five of are put together first; which these are hangs on the sums alone, not on the difference.
 */
export function homogeneityTest(a: readonly number[], b: readonly number[]): CountTest {
  const n = a.reduce((sum, count) => sum + count, 0)
  const m = b.reduce((sum, count) => sum + count, 0)
  const smaller = Math.min(n, m) / (n + m)
  const cells = poolCells(a, b, LEAST_EXPECTED / smaller)
  if (!(smaller > 0) || cells.length < 2) return { statistic: 0, pValue: 1 }
  let statistic = 0
  for (const [inA, inB] of cells) {
    const expected = ((inA + inB) * n) / (n + m)
    statistic += (inA - expected) ** 2 / expected
    const other = inA + inB - expected
    statistic += (inB - other) ** 2 / other
  }
  return { statistic, pValue: chiSquareSurvival(statistic, cells.length - 1) }
}

/** Cells of at least `least` counts; the smallest are put together until their sum has as many. */
function poolCells(a: readonly number[], b: readonly number[], least: number): [number, number][] {
  const cells = a.map((count, i): [number, number] => [count, b[i]!])
  const size = ([inA, inB]: [number, number]) => inA + inB
  const sorted = cells.filter((cell) => size(cell) > 0).sort((x, y) => size(x) - size(y))
  const pool: [number, number] = [0, 0]
  let taken = 0
  for (const cell of sorted) {
    const isFilling = size(pool) > 0 && size(pool) < least
    if (size(cell) >= least && !isFilling) break
    pool[0] += cell[0]
    pool[1] += cell[1]
    taken++
  }
  return taken === 0 ? sorted : [pool, ...sorted.slice(taken)]
}

/**
 * Two-sample test of Kolmogorov and Smirnov on counts over the same ordered bins. Within bins nothing is told apart, so
 * that the p-value of the continuous distribution is never too small (Noether 1963).
 */
export function orderedBinsTest(a: readonly number[], b: readonly number[]): CountTest {
  const n = a.reduce((sum, count) => sum + count, 0)
  const m = b.reduce((sum, count) => sum + count, 0)
  if (n === 0 || m === 0) return { statistic: 0, pValue: 1 }
  let statistic = 0
  let belowA = 0
  let belowB = 0
  for (const [bin, count] of a.entries()) {
    belowA += count / n
    belowB += b[bin]! / m
    statistic = Math.max(statistic, Math.abs(belowA - belowB))
  }
  return { statistic, pValue: kolmogorovSurvival(statistic * Math.sqrt((n * m) / (n + m))) }
}
