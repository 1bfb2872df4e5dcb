import type { TextReading } from '../../head/head.ts'
import type { Progress } from '../../lib/logger.ts'
import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { TrainingData } from '../heads/data.ts'
import { checkAllReadable, inputOf } from '../heads/leave-out-unreadable.ts'
import type { RowVectors } from '../heads/vectors.ts'
import { type EmbedJobDeps, embedForJob } from '../rows/embed-for-job.ts'
import type { FineTuneDeps } from './request.ts'

/** An encoder at one precision. */
export interface EncoderChoice {
  /** A name or a folder. */
  readonly model: string
  readonly precision: Precision
  readonly reading?: TextReading | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** What embedding rows by one encoder takes. */
export function encoderDeps(
  deps: FineTuneDeps,
  { model, precision, signal }: EncoderChoice,
): EmbedJobDeps {
  const openEncoder = (onProgress?: Progress) =>
    deps.openEncoder({ model, precision, onProgress, signal })
  return { ...deps, openEncoder }
}

/**
 * Embeds rows that are known to be readable.
 * @throws EspalierError `invalid_image` where an image cannot be read any more
 */
export async function embedReadable(
  deps: FineTuneDeps,
  { train, test }: Pick<TrainingData, 'train' | 'test'>,
  choice: EncoderChoice,
): Promise<RowVectors> {
  const inputs = [...train, ...test].map(inputOf)
  const embedded = await embedForJob(encoderDeps(deps, choice), inputs, choice)
  const { embeddings, encoder, unreadable } = embedded
  checkAllReadable(inputs, unreadable)
  const end = train.length * encoder.dimension
  return { encoder, train: embeddings.subarray(0, end), test: embeddings.subarray(end) }
}
