import type { DatasetWarning } from '../../dataset/summary.ts'
import { findPrompt } from '../../encoder/prompts.ts'
import type { Encoder, EncoderInfo } from '../../encoder/types.ts'
import type { TextReading } from '../../head/head.ts'
import type { Logger, Progress } from '../../lib/logger.ts'
import { type EmbeddedTexts, embedTexts, type KnownInput } from './embed-texts.ts'
import { openEmbeddingCache } from './embedding-cache.ts'
import { openTextCoverage } from './text-coverage.ts'

/** What embedding the rows of a job takes. */
export interface EmbedJobDeps {
  /** Called once the data are known to be good; the job closes what it opens. */
  readonly openEncoder: (onProgress?: Progress | undefined) => Promise<Encoder>
  /** Folder of the embedding cache. */
  readonly embeddingFolder: string
  readonly log: Logger
}

/** How the rows of a job are embedded. */
export interface EmbedJobOptions {
  /** Refuses the encoder before anything is embedded, by throwing. */
  readonly check?: ((encoder: EncoderInfo) => void) | undefined
  /** How texts are read that are longer than the encoder reads. @default cut at the right */
  readonly reading?: TextReading | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** Embeddings with the encoder that made them. */
export interface EmbeddedForJob extends EmbeddedTexts {
  readonly encoder: EncoderInfo
  /** What the encoder cannot read of the texts, in sentences. */
  readonly warnings: readonly DatasetWarning[]
}

/** Opens the encoder, embeds what the cache does not have, and closes it: its memory is free for the fit. */
export async function embedForJob(
  deps: EmbedJobDeps,
  inputs: readonly KnownInput[],
  { check, reading, onProgress, signal }: EmbedJobOptions,
): Promise<EmbeddedForJob> {
  const encoder = await deps.openEncoder(onProgress)
  try {
    const { info } = encoder
    check?.(info)
    const options = {
      folder: deps.embeddingFolder,
      prompt: findPrompt(info, undefined),
      reading,
      log: deps.log,
    }
    const cache = openEmbeddingCache({ ...options, encoder: info })
    const cuts = openEmbeddingCache({
      ...options,
      encoder: { ...info, dimension: 1 },
      beside: 'cut',
    })
    const work = { encoder, cache, cuts, reading, onProgress, signal }
    const embedded = await embedTexts(inputs, work)
    // Only when workers have read them all: a text that hangs the tokenizer never comes to this thread.
    const texts = inputs.filter((input) => typeof input === 'string')
    const coverage = texts.length > 0 ? await openTextCoverage(encoder) : null
    coverage?.lookAtAll(texts)
    return { ...embedded, encoder: info, warnings: coverage?.describe(reading) ?? [] }
  } finally {
    await encoder.close()
  }
}
