import { EspalierError } from '../../lib/errors.ts'
import type { MatrixKernels, NearestRows } from '../../lib/maths/matrix-kernels.ts'
import { findNearDuplicates } from '../duplicates/find-near-duplicates.ts'
import { sameSet } from '../evaluation/answers.ts'
import { makeCandidate as makeLda } from '../methods/lda.ts'
import type { MakeCandidate } from '../methods/method.ts'
import { createProblem } from '../methods/problem.ts'
import { makeCandidate as makeLogistic } from '../methods/softmax.ts'
import { oneHot, takeValues } from '../numerics/rows.ts'
import type { TrainingSet } from '../types.ts'
import type { LabelledProbabilities } from './confident-learning.ts'
import { findInseparable, type InseparableLabels } from './inseparable.ts'
import { judgeLabelSets, type LabelSets } from './judge-label-sets.ts'
import { judgeLabels } from './judge-labels.ts'
import { findNeighbourhoods, type Neighbourhoods } from './neighbourhoods.ts'

/** A row with a label that is likely wrong, or that it likely lacks where rows have several. */
export interface DoubtedRow {
  readonly row: number
  /** The label that is likely wrong; null where one is missing. */
  readonly given: number | null
  /** The likelier label, or the missing one; null where one label of several is one too many. */
  readonly likelier: number | null
  /** Probability that this is wrong, 0 to 1. */
  readonly score: number
}

/** What is found in labelled rows; rows by their places, labels by their numbers. */
export interface SetAudit extends Neighbourhoods {
  /**
   * Estimated share of wrong labels, with several labels a row of wrong decisions on a row and a label; 0 where no share
   * clearly explains the rows better than none.
   */
  readonly noise: number
  /** Rows that a fit without them could judge: all but those of labels with one row. */
  readonly judged: number
  /** Share of the judged rows whose label, or whole set of labels, the fits gave as well. */
  readonly agreement: number
  /** Most likely wrong first. */
  readonly doubted: readonly DoubtedRow[]
  readonly inseparable: readonly InseparableLabels[]
  /** The rows next to each, itself left out. */
  readonly nearest: NearestRows
}

/** Labelled rows with what is written in them. */
export interface AuditedSet extends TrainingSet {
  /** Shape [rows]; null for images, whose copies are found by their vectors alone. */
  readonly texts: readonly string[] | null
}

export interface AuditTools {
  readonly kernels: MatrixKernels
  readonly onProgress?: ((stage: string, done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Neighbours that are searched: the row itself and five more. */
const NEIGHBOURS = 6
const STEPS = 5

/**
 * Audits labelled rows: labels by confident learning on held-out answers of discriminant analysis, which is fast and
 * learns few wrong labels, copies by the finder that splits use, outliers by their neighbours. With several
 * labels a row each label is judged for itself, by logistic regression. Deterministic.
 */
export async function auditSet(
  set: AuditedSet,
  { folds, seed }: { readonly folds: number; readonly seed: number },
  { kernels, onProgress, signal }: AuditTools,
): Promise<SetAudit> {
  const { embeddings, dimension, targets } = set
  let done = 0
  const step = (name: string): void => {
    signal?.throwIfAborted()
    onProgress?.(name, done++, STEPS)
  }
  step('cross-validation')
  const sets = set.labelSets ?? Array.from(targets!, (target) => [target])
  const rows = { data: embeddings, rows: sets.length, columns: dimension }
  const problem = await createProblem(
    kernels,
    { rows, ...describeLabels(sets, set) },
    { folds: Math.min(folds, rows.rows), seed, assumesVariance: true },
  )
  const held = problem.heldOut
  const { probabilities, accuracy } = held.length === 0 ? nothing(set) : await answer(problem)
  step('labels')
  const { noise, doubted } =
    targets === null
      ? judgeSets({ probabilities, given: problem.truth })
      : judgeOne({ probabilities, given: takeValues(targets, held) })
  const inseparable = findInseparable(
    probabilities,
    Array.from(held, (row) => sets[row]!),
  )
  step('neighbours')
  const nearest = withoutItself(await kernels.nearest(rows, rows, NEIGHBOURS))
  step('copies')
  const { links } = await findNearDuplicates({ vectors: rows, texts: set.texts }, kernels)
  const result = {
    noise,
    ...{ judged: held.length, agreement: accuracy, inseparable, nearest },
    doubted: doubted.map((suspect) => ({ ...suspect, row: held[suspect.row]! })),
    ...findNeighbourhoods(links, nearest, (row, other) => sameSet(sets[row]!, sets[other]!)),
  }
  onProgress?.('done', STEPS, STEPS)
  return result
}

/** What a problem is made of: of several labels a row belongs to the group of its rarest one. */
function describeLabels(
  sets: readonly (readonly number[])[],
  { labels, targets }: Pick<TrainingSet, 'labels' | 'targets'>,
) {
  if (targets !== null) {
    const one = oneHot(targets, labels.length)
    return { targets: one, groups: targets, activation: 'softmax' as const }
  }
  const width = labels.length
  const all = { data: new Float32Array(sets.length * width), rows: sets.length, columns: width }
  const counts = new Float64Array(width)
  for (const [row, set] of sets.entries()) {
    for (const label of set) {
      all.data[row * width + label] = 1
      counts[label]!++
    }
  }
  const pick = (set: readonly number[], isBetter: (a: number, b: number) => boolean) =>
    set.reduce((a, b) => (a === width || isBetter(counts[a]!, counts[b]!) ? b : a), width)
  const rarest = sets.map((set) => pick(set, (a, b) => b < a))
  const members = new Float64Array(width + 1)
  for (const group of rarest) members[group]!++
  // A group of one row is never held out: that is for labels of one row, not for rare sets of frequent labels.
  const groups = rarest.map((group, row) =>
    members[group] === 1 && counts[group]! > 1 ? pick(sets[row]!, (a, b) => b >= a) : group,
  )
  return { targets: all, groups: Int32Array.from(groups), activation: 'sigmoid' as const }
}

function nothing({ labels }: TrainingSet) {
  return {
    probabilities: { data: new Float32Array(0), rows: 0, columns: labels.length },
    accuracy: 0,
  }
}

function judgeOne(labelled: LabelledProbabilities) {
  const { noise, suspects } = judgeLabels(labelled)
  return { noise: noise.rate, doubted: suspects }
}

function judgeSets(sets: LabelSets) {
  const { noise, doubted } = judgeLabelSets(sets)
  return {
    noise,
    doubted: doubted.map(({ row, label, isMissing, score }) => ({
      ...{ row, score },
      given: isMissing ? null : label,
      likelier: isMissing ? label : null,
    })),
  }
}

async function answer(problem: Awaited<ReturnType<typeof createProblem>>) {
  const run = {
    problem,
    weighted: false,
    candidate: (make: MakeCandidate) => make(run),
    neighbours: () => Promise.reject(new EspalierError('internal', 'no neighbours were searched')),
  }
  return problem.activation === 'sigmoid' ? makeLogistic(run) : makeLda(run)
}

/** Neighbours of rows among themselves; of equal rows another one may stand for the row. */
function withoutItself({ similarities, indices, k }: NearestRows): NearestRows {
  const rows = k === 0 ? 0 : indices.length / k
  const left = Math.max(0, k - 1)
  const near = { similarities: new Float32Array(rows * left), indices: new Int32Array(rows * left) }
  for (let row = 0; row < rows; row++) {
    let to = row * left
    for (let i = row * k; i < (row + 1) * k && to < (row + 1) * left; i++) {
      if (indices[i] === row) continue
      near.similarities[to] = similarities[i]!
      near.indices[to++] = indices[i]!
    }
  }
  return { ...near, k: left }
}
