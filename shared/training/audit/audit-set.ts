import { EspalierError } from '../../lib/errors.ts'
import type { MatrixKernels, NearestRows } from '../../lib/maths/matrix-kernels.ts'
import { findNearDuplicates } from '../duplicates/find-near-duplicates.ts'
import { makeCandidate as makeLda } from '../methods/lda.ts'
import { createProblem } from '../methods/problem.ts'
import { oneHot, takeValues } from '../numerics/rows.ts'
import type { DoubtedLabel, TrainingSet } from '../types.ts'
import { findInseparable, type InseparableLabels } from './inseparable.ts'
import { judgeLabels } from './judge-labels.ts'
import { findNeighbourhoods, type Neighbourhoods } from './neighbourhoods.ts'

/** What is found in labelled rows; rows by their places, labels by their numbers. */
export interface SetAudit extends Neighbourhoods {
  /** Estimated share of wrong labels; 0 where no share clearly explains the rows better than none. */
  readonly noise: number
  /** Rows that a fit without them could judge: all but those of labels with one row. */
  readonly judged: number
  /** Share of the judged rows whose label the fits gave as well. */
  readonly agreement: number
  /** Most likely wrong first. */
  readonly doubted: readonly DoubtedLabel[]
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
 * learns few wrong labels, copies by the finder that splits use, outliers by their neighbours. Deterministic. Rows need
 * one label each.
 * @throws EspalierError `invalid_data` for rows with several labels
 */
export async function auditSet(
  set: AuditedSet,
  { folds, seed }: { readonly folds: number; readonly seed: number },
  { kernels, onProgress, signal }: AuditTools,
): Promise<SetAudit> {
  const { targets, embeddings, dimension, labels } = set
  if (targets === null) {
    throw new EspalierError(
      'invalid_data',
      'rows with several labels cannot be audited: name a column with one label a row',
    )
  }
  let done = 0
  const step = (name: string): void => {
    signal?.throwIfAborted()
    onProgress?.(name, done++, STEPS)
  }
  step('cross-validation')
  const rows = { data: embeddings, rows: targets.length, columns: dimension }
  const one = oneHot(targets, labels.length)
  const data = { rows, targets: one, groups: targets, activation: 'softmax' as const }
  const options = { folds: Math.min(folds, rows.rows), seed, assumesVariance: true }
  const problem = await createProblem(kernels, data, options)
  const held = problem.heldOut
  const given = takeValues(targets, held)
  const { probabilities, accuracy } =
    held.length === 0
      ? {
          probabilities: { data: new Float32Array(0), rows: 0, columns: labels.length },
          accuracy: 0,
        }
      : await answer(problem)
  step('labels')
  const labelled = { probabilities, given }
  const { noise, suspects } = judgeLabels(labelled)
  const inseparable = findInseparable(labelled)
  step('neighbours')
  const nearest = withoutItself(await kernels.nearest(rows, rows, NEIGHBOURS))
  step('copies')
  const { links } = await findNearDuplicates({ vectors: rows, texts: set.texts }, kernels)
  step('rows')
  const result = {
    noise: noise.rate,
    ...{ judged: held.length, agreement: accuracy, inseparable, nearest },
    doubted: suspects.map((suspect) => ({ ...suspect, row: held[suspect.row]! })),
    ...findNeighbourhoods(links, nearest, (row, other) => targets[row] === targets[other]),
  }
  onProgress?.('done', STEPS, STEPS)
  return result
}

async function answer(problem: Awaited<ReturnType<typeof createProblem>>) {
  const run = {
    problem,
    weighted: false,
    candidate: (make: typeof makeLda) => make(run),
    neighbours: () => Promise.reject(new EspalierError('internal', 'no neighbours were searched')),
  }
  return makeLda(run)
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
