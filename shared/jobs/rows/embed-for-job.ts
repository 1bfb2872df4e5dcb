import { findPrompt } from '../../encoder/prompts.ts'
import type { Encoder, EncoderInfo } from '../../encoder/types.ts'
import type { Logger, Progress } from '../../lib/logger.ts'
import { type EmbeddedTexts, embedTexts, type KnownInput } from './embed-texts.ts'
import { openEmbeddingCache } from './embedding-cache.ts'

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
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** Opens the encoder, embeds what the cache does not have, and closes it: its memory is free for the fit. */
export async function embedForJob(
  deps: EmbedJobDeps,
  inputs: readonly KnownInput[],
  { check, onProgress, signal }: EmbedJobOptions,
): Promise<EmbeddedTexts & { readonly encoder: EncoderInfo }> {
  const encoder = await deps.openEncoder(onProgress)
  try {
    const { info } = encoder
    check?.(info)
    const cache = openEmbeddingCache({
      folder: deps.embeddingFolder,
      encoder: info,
      prompt: findPrompt(info, undefined),
      log: deps.log,
    })
    const embedded = await embedTexts(inputs, { encoder, cache, onProgress, signal })
    return { ...embedded, encoder: info }
  } finally {
    await encoder.close()
  }
}
