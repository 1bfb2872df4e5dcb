import type { Head } from '../../head/head.ts'
import { computeProbabilities } from '../../head/predict.ts'
import { createRowScorer } from '../../head/score-rows.ts'
import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { decide, labelsOfRows } from '../evaluation/answers.ts'
import { takeRows } from '../numerics/rows.ts'
import type { TrainingSet } from '../types.ts'

/** Labels of every row of a set, as numbers. */
export function labelsOf({
  targets,
  labelSets,
}: Pick<TrainingSet, 'targets' | 'labelSets'>): readonly (readonly number[])[] {
  return labelSets ?? Array.from(targets ?? [], (target) => [target])
}

/** What a head says of vectors, shape [rows, dimension]: the labels of each row, as numbers. */
export async function answerRows(
  head: Head,
  embeddings: Float32Array,
  kernels: MatrixKernels,
): Promise<readonly (readonly number[])[]> {
  const input = await createRowScorer(head, kernels)(embeddings)
  const columns = head.labels.length
  const probabilities = { data: computeProbabilities(head, input), rows: input.rows, columns }
  return labelsOfRows(decide(head, probabilities), columns)
}

/** The vectors of some rows of a set. */
export function takeVectors(
  { embeddings, dimension }: Pick<TrainingSet, 'embeddings' | 'dimension'>,
  rows: readonly number[],
): Float32Array {
  const data = { data: embeddings, rows: embeddings.length / dimension, columns: dimension }
  return takeRows(data, Int32Array.from(rows)).data
}
