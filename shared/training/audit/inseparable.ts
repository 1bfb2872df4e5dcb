import { exactInterval } from '../evaluation/intervals.ts'
import type { LabelledProbabilities } from './confident-learning.ts'

/** Two labels that fits cannot tell apart. */
export interface InseparableLabels {
  readonly first: number
  readonly second: number
  /** Rows of both. */
  readonly rows: number
  /** Share of them for which the right one of the two was the more probable. */
  readonly right: number
}

/** With fewer rows of one, nothing speaks for or against. */
const FEWEST_ROWS = 8

/**
 * Pairs of labels that cannot be told apart: of the rows that have one of the two, the right one was the more probable not
 * clearly more often (95 % Clopper-Pearson interval) than always naming the more frequent. Least separable first.
 */
export function findInseparable({
  probabilities,
  given,
}: LabelledProbabilities): InseparableLabels[] {
  const { data, columns: labels } = probabilities
  const counts = new Float64Array(labels)
  // Shape [label, other]: rows of a label for which it is more probable than the other.
  const wins = new Float64Array(labels * labels)
  given.forEach((label, row) => {
    counts[label]!++
    const own = data[row * labels + label]!
    for (let other = 0; other < labels; other++) {
      const rival = data[row * labels + other]!
      if (own > rival) wins[label * labels + other]!++
      else if (own === rival) wins[label * labels + other]! += 0.5
    }
  })
  const found: InseparableLabels[] = []
  for (let first = 0; first < labels; first++) {
    for (let second = first + 1; second < labels; second++) {
      const [a, b] = [counts[first]!, counts[second]!]
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
