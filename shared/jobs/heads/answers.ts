import type { AnswerFacts } from '../../head/answers.ts'
import type { Head } from '../../head/head.ts'
import type { TrainedHead } from '../../training/types.ts'

/** Bins of the best score, of equal width from 0 to 1. */
const SCORE_BINS = 20

/** What the rows that were held out of the training say of the answers of a head; nothing where none was. */
export function describeAnswers({ head, outOfFold }: TrainedHead): AnswerFacts {
  if (outOfFold === undefined || outOfFold.rows.length === 0) return {}
  const { data, rows, columns } = outOfFold.probabilities
  const labels = new Array<number>(columns).fill(0)
  const scores = new Array<number>(SCORE_BINS).fill(0)
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * columns, (row + 1) * columns)
    const best = indexOfBest(own)
    const bin = Math.min(Math.floor(own[best]! * SCORE_BINS), SCORE_BINS - 1)
    scores[bin] = scores[bin]! + 1
    for (const label of labelsOf(head, own, best)) labels[label] = labels[label]! + 1
  }
  // The detector's share among held-out rows is what its threshold was set to.
  return { reference: { rows, labels, scores, inDistribution: null } }
}

/** Places of the labels that a row is given. */
function labelsOf({ thresholds }: Head, own: Float32Array, best: number): number[] {
  if (thresholds === null) return [best]
  const given: number[] = []
  thresholds.forEach((threshold, label) => {
    if (own[label]! >= threshold) given.push(label)
  })
  return given
}

function indexOfBest(own: Float32Array): number {
  let best = 0
  own.forEach((p, label) => {
    if (p > own[best]!) best = label
  })
  return best
}
