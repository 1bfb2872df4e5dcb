import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { exactInterval } from '../evaluation/intervals.ts'

/** Two labels that fits cannot tell apart. */
export interface InseparableLabels {
  readonly first: number
  readonly second: number
  /** Rows of both, without those that have both. */
  readonly rows: number
  /** Share of them for which the right one of the two was the more probable. */
  readonly right: number
}

/** With fewer rows of one, nothing speaks for or against. */
const FEWEST_ROWS = 8

/**
 * Pairs of labels that cannot be told apart: of the rows that have one of the two alone, the right one was the more probable
 * not clearly more often (95 % Clopper-Pearson interval) than always naming the more frequent. Least separable first.
 * @param sets the labels of each row, shape [rows]
 */
export function findInseparable(
  { data, columns: labels }: Matrix,
  sets: readonly (readonly number[])[],
): InseparableLabels[] {
  // Shape [label, other]: rows of a label without the other, and those for which it is the more probable.
  const counts = new Float64Array(labels * labels)
  const wins = new Float64Array(labels * labels)
  for (const [row, set] of sets.entries()) {
    const has = new Set(set)
    for (const label of set) {
      const own = data[row * labels + label]!
      for (let other = 0; other < labels; other++) {
        if (has.has(other)) continue
        const at = label * labels + other
        counts[at]!++
        const rival = data[row * labels + other]!
        if (own > rival) wins[at]!++
        else if (own === rival) wins[at]! += 0.5
      }
    }
  }
  const found: InseparableLabels[] = []
  for (let first = 0; first < labels; first++) {
    for (let second = first + 1; second < labels; second++) {
      const [a, b] = [counts[first * labels + second]!, counts[second * labels + first]!]
      if (Math.min(a, b) < FEWEST_ROWS) continue
      const rows = a + b
      const right = Math.floor(wins[first * labels + second]! + wins[second * labels + first]!)
      const guessed = Math.max(a, b) / rows
      // Most pairs are told apart; the exact interval is for the others.
      if (right / rows > guessed + 0.3) continue
      const { low } = exactInterval(right, rows)
      if (low <= guessed) found.push({ first, second, rows, right: right / rows })
    }
  }
  return found.sort((x, y) => x.right - y.right || x.first - y.first || x.second - y.second)
}
