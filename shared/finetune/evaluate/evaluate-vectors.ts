import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { evaluateHead } from '../../training/evaluation/evaluate.ts'
import { measureExcess, recalibrateHead } from '../../training/evaluation/recalibrate.ts'
import { trainHead } from '../../training/train-head.ts'
import type { TrainingSet } from '../../training/types.ts'
import type { LabelledTexts } from '../types.ts'

/** Finished embeddings with their labels. */
export interface LabelledVectors {
  /** Shape [rows, dimension]. */
  readonly embeddings: Float32Array
  readonly rows: LabelledTexts
}

/** How heads are fitted for the evaluation. */
export interface EvaluateVectorsOptions {
  readonly kernels: MatrixKernels
  /** Whether a row may have any number of labels. */
  readonly several: boolean
  readonly seed: number
}

/** What a head on some vectors makes of others. */
export interface VectorEvaluation {
  /** Shape [rows]: 1 where the answer is right. */
  readonly right: Uint8Array
  /** Temperature that fits the held-out rows, over the one that fits the learnt rows. */
  readonly cooling: number
  /** How far held-out rows lie beyond the detector's threshold; empty where there is no detector. */
  readonly excess: readonly number[]
}

/**
 * Fits the product's head to `learnt`, as training on frozen vectors does, and evaluates it on `heldOut`. A label that
 * no learnt row has cannot be answered: its rows count as wrong, or by their other labels where there are several.
 */
export async function evaluateVectors(
  learnt: LabelledVectors,
  heldOut: LabelledVectors,
  { kernels, several, seed }: EvaluateVectorsOptions,
): Promise<VectorEvaluation> {
  const right = new Uint8Array(heldOut.rows.texts.length)
  const labels = listTold(learnt.rows, several)
  const rows = [...right.keys()].filter(
    (row) => several || labelsOf(heldOut, row, labels).length > 0,
  )
  if (labels.length === 0 || rows.length === 0) return { right, cooling: 1, excess: [] }
  const train = toSet(learnt, [...learnt.rows.texts.keys()], labels, several)
  const options = { family: 'validation', method: 'auto', seed } as const
  const { head } = await trainHead(train, options, { kernels })
  const validation = toSet(heldOut, rows, labels, several)
  const evaluation = await evaluateHead(head, validation, kernels)
  for (const [at, row] of rows.entries()) right[row] = evaluation.right[at] as number
  const { temperature } = await recalibrateHead(head, validation, kernels)
  const excess = [...((await measureExcess(head, validation, kernels)) ?? [])]
  return { right, cooling: temperature / head.temperature, excess }
}

/** Labels that a head can be taught: some row has them and, where rows have several, some row has not. */
function listTold({ classes, targets, texts }: LabelledTexts, several: boolean): number[] {
  const counts = new Int32Array(classes)
  targets.forEach((target, at) => {
    counts[at % classes] = (counts[at % classes] as number) + target
  })
  const most = several ? texts.length - 1 : texts.length
  return [...counts.keys()].filter((c) => counts[c] !== 0 && (counts[c] as number) <= most)
}

/** Positions of a row's labels among `labels`. */
function labelsOf({ rows }: LabelledVectors, row: number, labels: readonly number[]): number[] {
  const { classes, targets } = rows
  return [...labels.keys()].filter((at) => targets[row * classes + (labels[at] as number)] === 1)
}

function toSet(
  vectors: LabelledVectors,
  rows: readonly number[],
  labels: readonly number[],
  several: boolean,
): TrainingSet {
  const dimension = vectors.embeddings.length / vectors.rows.texts.length
  const embeddings = new Float32Array(rows.length * dimension)
  for (const [to, row] of rows.entries()) {
    const from = row * dimension
    embeddings.set(vectors.embeddings.subarray(from, from + dimension), to * dimension)
  }
  const labelSets = rows.map((row) => labelsOf(vectors, row, labels))
  const common = { embeddings, dimension, labels: labels.map(String) }
  if (several) return { ...common, targets: null, labelSets }
  return { ...common, targets: Int32Array.from(labelSets, ([label = 0]) => label), labelSets: null }
}
