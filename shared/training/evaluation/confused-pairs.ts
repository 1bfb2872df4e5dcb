import { binomialCdf } from '../../lib/maths/distributions.ts'

/** Two labels that are taken for each other. */
export interface ConfusedPair {
  /** The one that is answered wrongly more often. */
  readonly first: number
  readonly second: number
  /** Rows of `first` that are taken for `second`, and the other way round. */
  readonly forth: number
  readonly back: number
  /** Rows that truly have one of the two. */
  readonly of: number
  /**
   * How likely so many are where the wrong answers to rows of the two labels fall on all other labels alike: binomial,
   * times the number of pairs (Bonferroni), 1 at most.
   */
  readonly pValue: number
  /** The rows behind, those with the surest wrong answers first. */
  readonly rows: readonly number[]
}

/** Pairs of labels by how often one is taken for the other, most often first, then in the order of the labels. */
export function findConfusedPairs(
  answers: {
    /** Shape [rows]: labels as numbers. */
    readonly said: Int32Array
    readonly truth: Int32Array
    readonly confidences: Float64Array
  },
  labels: number,
): ConfusedPair[] {
  const { said, truth, confidences } = answers
  const support = new Int32Array(labels)
  const errors = new Int32Array(labels)
  const pairs = new Map<number, number[]>()
  truth.forEach((label, row) => {
    support[label] = support[label]! + 1
    const answer = said[row]!
    if (answer === label) return
    errors[label] = errors[label]! + 1
    const key = Math.min(label, answer) * labels + Math.max(label, answer)
    const rows = pairs.get(key)
    if (rows === undefined) pairs.set(key, [row])
    else rows.push(row)
  })
  const all = (labels * (labels - 1)) / 2
  const found = [...pairs].map(([key, rows]) => {
    const [a, b] = [Math.floor(key / labels), key % labels]
    const ofA = rows.filter((row) => truth[row] === a).length
    const ofB = rows.length - ofA
    const [first, second] = ofB > ofA ? [b, a] : [a, b]
    const wrong = errors[a]! + errors[b]!
    const tail = 1 - binomialCdf(rows.length - 1, wrong, 1 / (labels - 1))
    return {
      ...{ key, first, second, forth: Math.max(ofA, ofB), back: Math.min(ofA, ofB) },
      of: support[a]! + support[b]!,
      pValue: Math.min(1, Math.max(0, tail) * all),
      rows: rows.toSorted((x, y) => confidences[y]! - confidences[x]! || x - y),
    }
  })
  return found
    .sort((a, b) => b.rows.length - a.rows.length || a.key - b.key)
    .map(({ key: _, ...pair }) => pair)
}
