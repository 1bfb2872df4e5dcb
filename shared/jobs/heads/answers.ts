import { AnswerCounts, countAnswers } from '../../drift/answer-counts.ts'
import type { AnswerFacts } from '../../head/answers.ts'
import type { Head } from '../../head/head.ts'
import type { TrainedHead } from '../../training/types.ts'

/** Test rows from which on they alone are the reference: with fewer, the rows of the cross-validation join them. */
const ENOUGH_TEST_ROWS = 300

type Reference = NonNullable<AnswerFacts['reference']>

/**
 * What rows that the head has not learnt say of its answers; nothing where there are none. Answers to test rows are
 * those of this very head. Those of a cross-validation are of heads that learnt less, and a little less sure.
 */
export function describeAnswers(
  { head, outOfFold }: TrainedHead,
  test: AnswerCounts | null,
): Pick<AnswerFacts, 'reference'> {
  const all = new AnswerCounts()
  if (test !== null) all.merge(test)
  const joins = all.answers < ENOUGH_TEST_ROWS && outOfFold !== undefined
  if (joins) all.merge(countHeldOut(head, outOfFold))
  if (all.answers === 0) return {}
  const source = joins ? 'held-out' : 'test'
  return { reference: toReference(all, head.labels, source) }
}

/** Counts as a version keeps them. */
export function toReference(
  counts: AnswerCounts,
  labels: Head['labels'],
  source: Reference['source'],
): Reference {
  const { usual, usualLabels, usualNone, judged, inside } = counts
  return {
    source,
    rows: usual,
    labels: labels.map((label) => usualLabels.get(label) ?? 0),
    none: usualNone,
    scores: [...counts.scores],
    scoreSum: Number(counts.scoreSum.toPrecision(9)),
    inDistribution: judged > 0 ? { rows: judged, inside } : null,
  }
}

/** The detector's own rows are left out: its threshold was set so that a fixed share of them passes. */
function countHeldOut(
  { labels, thresholds, activation }: Head,
  { probabilities: { data, rows, columns } }: NonNullable<TrainedHead['outOfFold']>,
): AnswerCounts {
  const multiLabel = activation === 'sigmoid'
  const answers = Array.from({ length: rows }, (_, row) => {
    const own = data.subarray(row * columns, (row + 1) * columns)
    let best = 0
    own.forEach((p, label) => {
      if (p > own[best]!) best = label
    })
    const given = multiLabel
      ? labels.filter((_, label) => own[label]! >= (thresholds?.[label] ?? 0.5))
      : [labels[best]!]
    return {
      label: given[0] ?? null,
      score: own[best]!,
      labels: given.map((label) => ({ label })),
      inDistribution: null,
    }
  })
  return countAnswers(answers, { multiLabel })
}
