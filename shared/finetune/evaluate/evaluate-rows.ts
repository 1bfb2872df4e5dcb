import type { NamedTensor, Session } from '../../runtime/session.ts'
import type { ScoringGraph } from '../graph/types.ts'
import { planPass } from '../rows/batches.ts'
import {
  countRight,
  groupsOf,
  type LabelledRows,
  sampleLabelled,
  takeTargets,
  targetsOf,
} from '../rows/labelled-rows.ts'
import { weighPairs } from '../rows/pairs.ts'
import type { FineTuneSettings, LabelledTexts } from '../types.ts'

/** Rows of one run. */
const RUN_ROWS = 32

/** What one evaluation says; null without validation rows. */
export interface Evaluation {
  readonly loss: number
  readonly accuracy: number
}

/** A forward pass on weights that come in as inputs. */
export interface Scorer {
  readonly scoring: ScoringGraph
  readonly session: Session
  /** Called after each run. */
  afterRun(): void
}

/** Weights by name, as graph inputs. */
export type WeightInputs = Readonly<Record<string, NamedTensor>>

/** Evaluates weights on the validation rows. */
export interface Evaluator {
  evaluate(weights: WeightInputs): Promise<Evaluation | null>
}

/** By the output layer where there is one, by neighbours for the contrastive loss. */
export function createEvaluator(
  {
    scorer,
    train,
    validation,
  }: {
    readonly scorer: Scorer
    readonly train: LabelledRows
    readonly validation: LabelledRows
  },
  { loss, seed }: Pick<FineTuneSettings, 'loss' | 'seed'>,
): Evaluator {
  if (loss.kind !== 'contrastive') {
    const several = loss.kind === 'binary-cross-entropy'
    return { evaluate: (weights) => evaluateScores(scorer, weights, validation, several) }
  }
  const learnt = sampleLabelled(train, seed)
  const heldOut = sampleLabelled(validation, seed)
  return { evaluate: (weights) => evaluateNeighbours(scorer, weights, learnt, heldOut) }
}

/** Mean loss over the rows, and the share whose labels all come out right; null without rows. */
export async function evaluateScores(
  scorer: Scorer,
  weights: WeightInputs,
  { source, rows }: LabelledRows,
  several: boolean,
): Promise<Evaluation | null> {
  const count = rows.texts.length
  if (count === 0) return null
  const { batch, outputs } = scorer.scoring
  let loss = 0
  let right = 0
  for (const taken of planPass(source.lengths, RUN_ROWS)) {
    const feeds = {
      ...weights,
      ...source.feed(taken, batch.start),
      ...targetsOf(batch, rows, { rows: taken }),
    }
    const results = await scorer.session.run(feeds, [outputs.loss, outputs.scores])
    scorer.afterRun()
    loss += scalarOf(results[outputs.loss]) * taken.length
    const scores = results[outputs.scores]?.data as Float32Array
    right += countRight(scores, takeTargets(rows, taken), several)
  }
  return { loss: loss / count, accuracy: right / count }
}

/**
 * Evaluates embeddings that have no head yet: the contrastive loss over pairs of the rows, and how many rows
 * are nearest to the mean of their own label's training rows.
 */
export async function evaluateNeighbours(
  scorer: Scorer,
  weights: WeightInputs,
  train: LabelledRows,
  validation: LabelledRows,
): Promise<Evaluation | null> {
  const count = validation.rows.texts.length
  if (count === 0) return null
  const means = meansOf(await embedRows(scorer, weights, train), train.rows)
  const embeddings = await embedRows(scorer, weights, validation)
  const groups = groupsOf(validation.rows)
  const dimension = embeddings.length / count
  const { classes } = validation.rows
  const scores = new Float32Array(count * classes)
  for (let row = 0; row < count; row++) {
    for (let c = 0; c < classes; c++) {
      scores[row * classes + c] = cosine(embeddings, row, means, c, dimension)
    }
  }
  const all = Int32Array.from(groups, (_, row) => row)
  const right = countRight(scores, takeTargets(validation.rows, all), false)
  return { loss: pairLoss(embeddings, groups, dimension), accuracy: right / count }
}

/** Embeddings of all rows, shape [rows, dimension]. */
export async function embedRows(
  scorer: Scorer,
  weights: WeightInputs,
  { source, rows }: LabelledRows,
): Promise<Float32Array> {
  const { batch, outputs } = scorer.scoring
  let all = new Float32Array()
  for (const taken of planPass(source.lengths, RUN_ROWS)) {
    const feeds = {
      ...weights,
      ...source.feed(taken, batch.start),
      ...targetsOf(batch, rows, { rows: taken }),
    }
    const results = await scorer.session.run(feeds, [outputs.embedding])
    scorer.afterRun()
    const { data, dims } = results[outputs.embedding] as NamedTensor
    const width = dims[1] as number
    if (all.length === 0) all = new Float32Array(rows.texts.length * width)
    for (const [at, row] of taken.entries()) {
      all.set((data as Float32Array).subarray(at * width, (at + 1) * width), row * width)
    }
  }
  return all
}

/** Normalised mean embedding of each label's rows, shape [classes, dimension]; zeros for a label without. */
export function meansOf(embeddings: Float32Array, rows: LabelledTexts): Float32Array {
  const { classes, targets, texts } = rows
  const dimension = embeddings.length / texts.length
  const means = new Float32Array(classes * dimension)
  for (let row = 0; row < texts.length; row++) {
    for (let c = 0; c < classes; c++) {
      if (targets[row * classes + c] !== 1) continue
      for (let i = 0; i < dimension; i++) {
        means[c * dimension + i] =
          (means[c * dimension + i] as number) + (embeddings[row * dimension + i] as number)
      }
    }
  }
  for (let c = 0; c < classes; c++) {
    const mean = means.subarray(c * dimension, (c + 1) * dimension)
    const norm = Math.hypot(...mean)
    if (norm > 0) for (let i = 0; i < dimension; i++) mean[i] = (mean[i] as number) / norm
  }
  return means
}

/** The one number of a scalar; NaN where it is missing. */
export function scalarOf(tensor: NamedTensor | undefined): number {
  return (tensor?.data as Float32Array | undefined)?.[0] ?? Number.NaN
}

function pairLoss(embeddings: Float32Array, groups: Int32Array, dimension: number): number {
  const { targets, weights } = weighPairs(
    Int32Array.from(groups, (_, row) => row),
    groups,
  )
  const n = groups.length
  let sum = 0
  let total = 0
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const weight = weights[i * n + j] as number
      if (weight === 0) continue
      const error = cosine(embeddings, i, embeddings, j, dimension) - (targets[i * n + j] as number)
      sum += weight * error * error
      total += weight
    }
  }
  return total === 0 ? 0 : sum / total
}

function cosine(
  a: Float32Array,
  row: number,
  b: Float32Array,
  column: number,
  dimension: number,
): number {
  let sum = 0
  for (let i = 0; i < dimension; i++) {
    sum += (a[row * dimension + i] as number) * (b[column * dimension + i] as number)
  }
  return sum
}
