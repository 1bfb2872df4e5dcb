import type { EncoderInfo } from '../encoder/types.ts'
import type { Precision } from '../lib/encoder-manifest.ts'
import type { Progress } from '../lib/logger.ts'
import type { TrainingSet } from '../training/types.ts'
import { embedForJob } from './embed-for-job.ts'
import type { FineTuneData } from './finetune-data.ts'
import type { FineTuneDeps } from './finetune-request.ts'
import { toTrainingSet } from './train-head-evaluation.ts'

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
  deps: Pick<FineTuneDeps, 'openEncoder' | 'embeddingFolder' | 'log'>,
  data: FineTuneData,
  options: EmbedRowsOfOptions & { readonly testOnly?: boolean | undefined },
): Promise<RowVectors> {
  const { model, precision, onProgress, signal, testOnly = false } = options
  const rows = testOnly ? [] : data.train
  const job = {
    ...deps,
    openEncoder: (report?: Progress) =>
      deps.openEncoder({ model, precision, onProgress: report, signal }),
  }
  const texts = [...rows, ...data.test].map(({ text }) => text)
  const { embeddings, encoder } = await embedForJob(job, texts, { onProgress, signal })
  const end = rows.length * encoder.dimension
  return { encoder, train: embeddings.subarray(0, end), test: embeddings.subarray(end) }
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
