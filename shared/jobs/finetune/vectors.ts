import type { EncoderInfo } from '../../encoder/types.ts'
import type { Progress } from '../../lib/logger.ts'
import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { TrainingSet } from '../../training/types.ts'
import { toTrainingSet } from '../heads/evaluation.ts'
import { checkAllReadable, inputOf, readableData } from '../heads/leave-out-unreadable.ts'
import { embedForJob } from '../rows/embed-for-job.ts'
import type { KnownInput } from '../rows/embed-texts.ts'
import { divideData, type FineTuneData } from './data.ts'
import type { FineTuneClassifierRequest, FineTuneDeps } from './request.ts'

/** What one encoder at one precision makes of the rows. */
export interface RowVectors {
  readonly encoder: EncoderInfo
  /** Shape [training rows, dimension]. */
  readonly train: Float32Array
  /** Shape [test rows, dimension]. */
  readonly test: Float32Array
}

/** How rows are embedded. */
export interface EmbedRowsOfOptions {
  readonly model: string
  readonly precision: Precision
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** Embeds the training and the test rows; `testOnly` leaves the former out. */
export async function embedFineTuneRows(
  deps: EmbedDeps,
  data: FineTuneData,
  options: EmbedRowsOfOptions & { readonly testOnly?: boolean | undefined },
): Promise<RowVectors> {
  const rows = options.testOnly ? [] : data.train
  const inputs = [...rows, ...data.test].map(inputOf)
  const { embeddings, encoder, unreadable } = await embedInputs(deps, inputs, options)
  checkAllReadable(inputs, unreadable)
  const end = rows.length * encoder.dimension
  return { encoder, train: embeddings.subarray(0, end), test: embeddings.subarray(end) }
}

/**
 * Embeds the rows on the base and leaves out the images that cannot be read.
 * @throws EspalierError `invalid_data` where too little is left
 */
export async function embedReadable(
  deps: EmbedDeps,
  data: FineTuneData,
  request: Pick<
    FineTuneClassifierRequest,
    'base' | 'precision' | 'validationFraction' | 'seed' | 'tuning' | 'onProgress' | 'signal'
  >,
): Promise<{ readonly data: FineTuneData; readonly vectors: RowVectors }> {
  const inputs = [...data.train, ...data.test].map(inputOf)
  const options = { ...request, model: request.base }
  const { embeddings, encoder, unreadable } = await embedInputs(deps, inputs, options)
  const found = readableData(data, embeddings, unreadable)
  const vectors = { encoder, train: found.trainVectors, test: found.testVectors }
  return { data: unreadable.size === 0 ? data : divideData(found.data, request), vectors }
}

type EmbedDeps = Pick<FineTuneDeps, 'openEncoder' | 'embeddingFolder' | 'log'>

function embedInputs(
  deps: EmbedDeps,
  inputs: readonly KnownInput[],
  { model, precision, onProgress, signal }: EmbedRowsOfOptions,
) {
  const openEncoder = (report?: Progress) =>
    deps.openEncoder({ model, precision, onProgress: report, signal })
  return embedForJob({ ...deps, openEncoder }, inputs, { onProgress, signal })
}

/** Some of the training rows as a training set. */
export function takeTrainingRows(
  data: FineTuneData,
  { train, encoder }: RowVectors,
  rows: readonly number[],
): TrainingSet {
  const { dimension } = encoder
  const vectors = new Float32Array(rows.length * dimension)
  for (const [to, at] of rows.entries()) {
    vectors.set(train.subarray(at * dimension, (at + 1) * dimension), to * dimension)
  }
  const examples = rows.map((at) => data.train[at]!)
  const { classes: labels, multiLabel } = data
  return toTrainingSet(examples, vectors, dimension, { labels, multiLabel })
}
