import { betaCdf, logGamma } from '../../lib/maths/distributions.ts'
import { ALPHA, exactPairedTest, type Interval } from './intervals.ts'

/** Accuracy of a minus accuracy of b on the same rows, with a 95 % interval. */
export interface Comparison extends Interval {
  readonly difference: number
  /** Of the exact paired test (McNemar): the interval leaves 0 out exactly where it is below 0.05. */
  readonly pValue: number
}

/** Points of Gauss's rule on either side of an even share of wins. */
const NODES = 40
/** Standard deviations beyond which a share of wins counts for nothing. */
const REACH = 9
const BISECTIONS = 40

/**
 * Exact paired comparison of two heads on the same rows (Fay and Lumbard 2021): the rows that only one of them has
 * right decide, as in the exact test of McNemar, and how many such rows there are is uncertain too. The interval
 * has a width also where the heads never differ. Inputs hold 1 where the head was right; with several labels a
 * row, where its whole answer was.
 */
export function compareHeads(a: Uint8Array, b: Uint8Array): Comparison {
  if (a.length !== b.length) throw new RangeError(`${a.length} rows against ${b.length}`)
  let onlyA = 0
  let onlyB = 0
  for (let i = 0; i < a.length; i++) {
    if (a[i]! > b[i]!) onlyA++
    else if (a[i]! < b[i]!) onlyB++
  }
  return comparePaired(onlyA, onlyB, a.length)
}

/** The comparison from counts: rows that only a has right, rows that only b has right, all rows. */
export function comparePaired(onlyA: number, onlyB: number, rows: number): Comparison {
  return {
    difference: rows === 0 ? 0 : (onlyA - onlyB) / rows,
    low: lowerLimit(onlyA, onlyB, rows),
    high: -lowerLimit(onlyB, onlyA, rows),
    pValue: exactPairedTest(onlyA, onlyB),
    method: 'exact-paired',
  }
}

/**
 * The quantile of ψ(2θ − 1), where θ is the share of wins and ψ that of the rows that differ, each at the end of its
 * confidence distribution that makes the difference small.
 */
function lowerLimit(wins: number, losses: number, rows: number): number {
  const differing = wins + losses
  const shares = spreadOfWins(wins, losses)
  /** Probability that the difference is at most `limit`. */
  const below = (limit: number): number => {
    let sum = 0
    for (const { lean, weight } of shares) {
      if (lean < 0) sum += weight * (1 - betaCdf(limit / lean, differing + 1, rows - differing))
      else if (limit >= 0) sum += weight * betaCdf(limit / lean, differing, rows - differing + 1)
    }
    return sum
  }
  let low = -1
  let high = 1
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2
    if (below(middle) < ALPHA / 2) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The lower confidence distribution of θ, Beta(wins, losses + 1), as values of 2θ − 1 with weights that sum to 1. */
function spreadOfWins(wins: number, losses: number): { lean: number; weight: number }[] {
  if (wins === 0) return [{ lean: -1, weight: 1 }]
  const [a, b] = [wins, losses + 1]
  const centre = a / (a + b)
  const reach = REACH * Math.sqrt((centre * (1 - centre)) / (a + b + 1))
  const scale = logGamma(a + b) - logGamma(a) - logGamma(b)
  const side = (from: number, to: number, mass: number) => {
    const width = to - from
    if (width <= 0 || mass <= 0) return []
    const points = gaussRule(NODES).map(({ at, weight }) => {
      const share = from + (width * (at + 1)) / 2
      const density = Math.exp(scale + (a - 1) * Math.log(share) + (b - 1) * Math.log1p(-share))
      return { lean: 2 * share - 1, weight: weight * density }
    })
    // The mass of either side is known exactly, so that limit and test agree on which side of 0 it lies.
    const sum = points.reduce((total, { weight }) => total + weight, 0)
    return points.map(({ lean, weight }) => ({ lean, weight: (weight * mass) / sum }))
  }
  const even = betaCdf(0.5, a, b)
  const least = Math.max(0, centre - reach)
  const most = Math.min(1, centre + reach)
  return [
    ...side(Math.min(least, 0.5 - reach / 4), 0.5, even),
    ...side(0.5, Math.max(most, 0.5 + reach / 4), 1 - even),
  ]
}

/** Points and weights of Gauss and Legendre on -1 to 1, the zeros of the Legendre polynomial by Newton's method. */
function gaussRule(points: number): { at: number; weight: number }[] {
  return Array.from({ length: points }, (_, i) => {
    let at = Math.cos((Math.PI * (i + 0.75)) / (points + 0.5))
    let slope = 1
    for (let step = 0; step < 8; step++) {
      let [before, value] = [0, 1]
      for (let degree = 0; degree < points; degree++) {
        const next = ((2 * degree + 1) * at * value - degree * before) / (degree + 1)
        before = value
        value = next
      }
      slope = (points * (at * value - before)) / (at * at - 1)
      at -= value / slope
    }
    return { at, weight: 2 / ((1 - at * at) * slope * slope) }
  })
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
