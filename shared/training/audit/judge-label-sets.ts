import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import type { LabelledProbabilities } from './confident-learning.ts'
import { judgeLabels } from './judge-labels.ts'

/** Labels of rows that may have several, beside what fits that had not seen the rows say of each label. */
export interface LabelSets {
  /** Shape [rows, labels], out-of-fold; each label for itself. */
  readonly probabilities: Matrix
  /** Shape [rows, labels]: 1 where a row was given a label. */
  readonly given: Matrix
}

/** A label that a row has and likely should not have, or the other way round. */
export interface DoubtedDecision {
  readonly row: number
  readonly label: number
  /** Whether the row lacks a label that it likely has. */
  readonly isMissing: boolean
  /** Probability that the decision is wrong, 0 to 1. */
  readonly score: number
}

/** What out-of-fold probabilities say of label sets. */
export interface LabelSetJudgement {
  /** Share of wrong decisions, a row and a label each: the mean of what each label shows. */
  readonly noise: number
  /** Most likely wrong first. */
  readonly doubted: readonly DoubtedDecision[]
}

/**
 * Judges the labels of rows with several, each label as a question of its own: rows that have it against rows that do
 * not (Thyagarajan et al., "Identifying Incorrect Annotations in Multi-Label Classification Data", 2022).
 */
export function judgeLabelSets(sets: LabelSets): LabelSetJudgement {
  const labels = sets.given.columns
  const doubted: DoubtedDecision[] = []
  let noise = 0
  for (let label = 0; label < labels; label++) {
    const judged = judgeLabels(decisionsOf(sets, label))
    noise += judged.noise.rate / labels
    for (const { row, given, score } of judged.suspects) {
      doubted.push({ row, label, isMissing: given === 0, score })
    }
  }
  doubted.sort((a, b) => b.score - a.score || a.row - b.row || a.label - b.label)
  return { noise, doubted }
}

/** One label as two classes: 1 of rows that have it, 0 of the others. */
export function decisionsOf(
  { probabilities, given }: LabelSets,
  label: number,
): LabelledProbabilities {
  const { rows, columns } = probabilities
  const data = new Float32Array(2 * rows)
  for (let row = 0; row < rows; row++) {
    const p = probabilities.data[row * columns + label]!
    data[2 * row] = 1 - p
    data[2 * row + 1] = p
  }
  return {
    probabilities: { data, rows, columns: 2 },
    given: Int32Array.from({ length: rows }, (_, row) => given.data[row * columns + label]!),
  }
}
