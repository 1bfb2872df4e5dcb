import { adjustPriors } from '../evaluation/probabilities.ts'
import { takeValues } from '../numerics/rows.ts'
import type { DoubtedLabel, TrainedHead, TrainingSet, TrainOptions } from '../types.ts'
import { judgeLabels, type LabelJudgement } from './judge-labels.ts'

/** With so many wrong labels a fit of all rows learns them: on Banking77 it costs 2 points, and 40 of calibration. */
const NOISY = 0.05
/** Rows that every label keeps, whatever is said of them. */
const FEWEST_KEPT = 2

/**
 * Judges the labels by the held-out answers of a trained head. Where many are wrong, or on request, it is trained again
 * without the rows that are likely wrong: temperature and votes then follow the true labels. Its cross-validation stays
 * that of all rows as they are labelled, since without the doubted ones it would flatter.
 */
export async function settleLabels(
  first: TrainedHead,
  set: TrainingSet,
  { dropSuspects }: Pick<TrainOptions, 'dropSuspects'>,
  train: (kept: TrainingSet) => Promise<TrainedHead>,
): Promise<TrainedHead> {
  const { outOfFold } = first
  if (set.targets === null || outOfFold === undefined || outOfFold.rows.length === 0) return first
  const given = takeValues(set.targets, outOfFold.rows)
  // Balanced answers doubt frequent labels more than the rows do.
  const balance = first.head.adjustment?.map((value) => -value) ?? null
  const probabilities = adjustPriors(outOfFold.probabilities, balance)
  const judged = judgeLabels({ probabilities, given })
  const doubted = judged.suspects.map((suspect) => ({
    ...suspect,
    row: outOfFold.rows[suspect.row]!,
  }))
  const findings = { noise: judged.noise.rate, doubted, leftOut: 0 }
  const left = isLeftOut(judged, dropSuspects) ? chooseLeftOut(set.targets, doubted) : new Set()
  if (left.size === 0) return { ...first, labelFindings: findings }
  const kept = Int32Array.from(set.targets.keys()).filter((row) => !left.has(row))
  const second = await train(takeSet(set, kept))
  return {
    ...first,
    head: second.head,
    method: second.method,
    why: `${second.why}, all on the ${kept.length} rows whose labels are not doubted`,
    candidates: second.candidates,
    outOfFold: second.outOfFold && {
      rows: takeValues(kept, second.outOfFold.rows),
      probabilities: second.outOfFold.probabilities,
    },
    labelFindings: { ...findings, leftOut: left.size },
  }
}

function isLeftOut({ noise }: LabelJudgement, asked: boolean | undefined): boolean {
  return asked ?? noise.rate >= NOISY
}

/** The doubted rows, but for the least doubted of a label that would be left with fewer than two. */
function chooseLeftOut(targets: Int32Array, doubted: readonly DoubtedLabel[]): Set<number> {
  const members = new Map<number, number>()
  for (const target of targets) members.set(target, (members.get(target) ?? 0) + 1)
  const left = new Set<number>()
  for (const { row, given } of doubted) {
    const more = members.get(given)!
    if (more <= FEWEST_KEPT) continue
    members.set(given, more - 1)
    left.add(row)
  }
  return left
}

function takeSet(set: TrainingSet, rows: Int32Array): TrainingSet {
  const { dimension } = set
  const embeddings = new Float32Array(rows.length * dimension)
  rows.forEach((row, to) => {
    const from = row * dimension
    embeddings.set(set.embeddings.subarray(from, from + dimension), to * dimension)
  })
  return { ...set, embeddings, targets: takeValues(set.targets!, rows) }
}
