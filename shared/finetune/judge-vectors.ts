import type { MatrixKernels } from '../lib/matrix-kernels.ts'
import { evaluateHead } from '../training/evaluate.ts'
import { recalibrateHead } from '../training/recalibrate.ts'
import { trainHead } from '../training/train-head.ts'
import type { TrainingSet } from '../training/types.ts'
import type { LabelledTexts } from './fine-tune-types.ts'

/** Finished embeddings with their labels. */
export interface LabelledVectors {
  /** Shape [rows, dimension]. */
  readonly embeddings: Float32Array
  readonly rows: LabelledTexts
}

/** How heads are fitted to judge by. */
export interface JudgeVectorsOptions {
  readonly kernels: MatrixKernels
  /** Whether a row may have any number of labels. */
  readonly several: boolean
  readonly seed: number
}

/** What a head on some vectors makes of others. */
export interface JudgedVectors {
  /** Shape [rows]: 1 where the answer is right. */
  readonly right: Uint8Array
  /** Temperature that fits the judged rows, over the one that fits the learnt rows. */
  readonly cooling: number
}

/** Fits the product's head to `learnt`, as "espalier train" does, and judges it on `judged`. */
export async function judgeVectors(
  learnt: LabelledVectors,
  judged: LabelledVectors,
  { kernels, several, seed }: JudgeVectorsOptions,
): Promise<JudgedVectors> {
  const labels = Array.from({ length: learnt.rows.classes }, (_, c) => String(c))
  const options = { family: 'judged', method: 'auto', seed } as const
  const { head } = await trainHead(toSet(learnt, labels, several), options, { kernels })
  const set = toSet(judged, labels, several)
  const { right } = await evaluateHead(head, set, kernels)
  const { temperature } = await recalibrateHead(head, set, kernels)
  return { right, cooling: temperature / head.temperature }
}

function toSet(
  { embeddings, rows }: LabelledVectors,
  labels: readonly string[],
  several: boolean,
): TrainingSet {
  const { classes, targets, texts } = rows
  const labelSets = texts.map((_, row) =>
    [...labels.keys()].filter((label) => targets[row * classes + label] === 1),
  )
  const common = { embeddings, dimension: embeddings.length / texts.length, labels }
  if (several) return { ...common, targets: null, labelSets }
  return { ...common, targets: Int32Array.from(labelSets, ([label = 0]) => label), labelSets: null }
}
