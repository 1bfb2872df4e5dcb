import type { ReportBaseline, ReportCost, ReportLearningCurve } from '../../reports/figure-types.ts'
import type { TrainedHead, TrainingSet } from '../../training/types.ts'
import type { TrainingData } from './data.ts'
import type { Evaluation } from './evaluation.ts'
import type { HeadJob } from './request.ts'
import { type RowVectors, toTrainingSet } from './vectors.ts'

/** With fewer test rows folds of the training rows are answered. */
const FEW_TEST_ROWS = 100
/** Sizes below all are answered on so many test rows. */
const MAX_TEST_ROWS = 1_000
/** Rows that the head is timed on, and the fewest embedded ones beside which the start of the encoder is little. */
const TIMED_ROWS = 512
const FEWEST_EMBEDDED = 500

/** What a curve is drawn of. */
interface CurveParts {
  readonly data: TrainingData
  readonly vectors: RowVectors
  readonly trained: TrainedHead
  readonly learnt: TrainingSet
  readonly evaluation: Evaluation | null
  readonly baselines: readonly ReportBaseline[]
}

/**
 * Accuracy by the number of rows that are learnt; null where it is not asked for, where the training keeps no way to
 * fit parts of the rows, and for too few or too many.
 */
export async function drawLearningCurve(
  { request, tools, kernels }: HeadJob,
  { data, vectors, trained, learnt, evaluation, baselines }: CurveParts,
): Promise<ReportLearningCurve | null> {
  const { refit } = trained
  const { seed, signal, onProgress, learningCurve = true } = request
  if (refit === undefined || !learningCurve) return null
  const isText = data.modality !== 'image'
  const texts = isText ? data.train.map(({ text }) => text) : null
  const test =
    evaluation === null || data.test.length < FEW_TEST_ROWS
      ? null
      : takeTest(data, vectors, learnt, { evaluation, baselines })
  try {
    return await tools.measureLearningCurve(
      { learnt: { set: learnt, texts }, refit, test, seed },
      { kernels, signal, onProgress },
    )
  } catch (error) {
    // Parts of the rows may leave a class without any spread, where all do not.
    if (error instanceof RangeError) return null
    throw error
  }
}

function takeTest(
  { test, modality }: TrainingData,
  vectors: RowVectors,
  { labels, labelSets, dimension }: TrainingSet,
  { evaluation, baselines }: Pick<CurveParts, 'baselines'> & { readonly evaluation: Evaluation },
) {
  const count = Math.min(test.length, MAX_TEST_ROWS)
  const rows = Array.from({ length: count }, (_, i) => Math.floor((i * test.length) / count))
  const examples = rows.map((row) => test[row]!)
  const embeddings = new Float32Array(rows.length * dimension)
  for (const [at, row] of rows.entries()) {
    const vector = vectors.test.subarray(row * dimension, (row + 1) * dimension)
    embeddings.set(vector, at * dimension)
  }
  const kind = { labels, multiLabel: labelSets !== null }
  const share = (accuracy: number) => ({
    right: Math.round(accuracy * test.length),
    rows: test.length,
  })
  const words = baselines.find(({ name }) => name === 'tf-idf')?.test?.accuracy ?? null
  return {
    set: toTrainingSet(examples, embeddings, dimension, kind),
    texts: modality === 'image' ? null : examples.map(({ text }) => text),
    whole: {
      head: share(evaluation.test.accuracy ?? 0),
      tfIdf: words === null ? null : share(words),
    },
  }
}

/** Times the head on rows that are there, and tells what the embedding took. */
export async function measureCost(
  { deps, tools, kernels, watch }: HeadJob,
  { head }: TrainedHead,
  { embeddings, dimension }: TrainingSet,
  computed: number,
): Promise<ReportCost> {
  const vectors = embeddings.subarray(0, TIMED_ROWS * dimension)
  const rows = vectors.length / dimension
  const startedMs = deps.clock.monotonicMs()
  await tools.answerRows(head, vectors, kernels)
  const headMs = deps.clock.monotonicMs() - startedMs
  const embedding = watch.timings.find(({ stage }) => stage === 'embedding')?.milliseconds
  const { memory } = head
  return {
    headMicroseconds: rows === 0 ? null : (1_000 * headMs) / rows,
    encoderMilliseconds:
      embedding === undefined || computed < FEWEST_EMBEDDED ? null : embedding / computed,
    neighbourBytes:
      memory === null
        ? 0
        : memory.embeddings.byteLength + memory.scales.byteLength + memory.labels.byteLength,
    dimension,
  }
}
