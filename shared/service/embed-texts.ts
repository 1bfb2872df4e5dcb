import type { Encoder } from '../encoder/types.ts'
import type { Progress } from '../lib/logger.ts'
import { findPrompt } from './embed.ts'
import type { EmbeddingCache } from './embedding-cache.ts'

export interface EmbedTextsOptions {
  readonly encoder: Encoder
  readonly cache: EmbeddingCache
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** Embeddings of texts as they are served: truncated, normalised, with the encoder's default prompt. */
export interface EmbeddedTexts {
  /** Shape [texts, dimension]. */
  readonly embeddings: Float32Array
  /** Different texts that were found in the cache, and those that ran. */
  readonly cached: number
  readonly computed: number
  /** Of those that ran, how many were longer than the encoder reads. */
  readonly truncated: number
}

const BATCH_ROWS = 512
/** Ends a batch early, so that long texts neither fill the memory nor wait long in the encoder's queue. */
const BATCH_LENGTH = 64 * 1024
/** One batch runs while the next waits, so that no worker is idle in between. */
const MAX_IN_FLIGHT = 2

/** Embeds many texts, each different one once, and those never seen before only. */
export async function embedTexts(
  texts: readonly string[],
  options: EmbedTextsOptions,
): Promise<EmbeddedTexts> {
  const { encoder, cache, signal } = options
  const { dimension } = encoder.info
  const embeddings = new Float32Array(texts.length * dimension)
  const rowsByKey = new Map<string, number[]>()
  for (const [row, text] of texts.entries()) {
    const key = cache.keyOf(text)
    const rows = rowsByKey.get(key)
    if (rows === undefined) rowsByKey.set(key, [row])
    else rows.push(row)
  }
  const distinct = rowsByKey.size
  const place = (key: string, vector: Float32Array): void => {
    for (const row of rowsByKey.get(key) ?? []) embeddings.set(vector, row * dimension)
    rowsByKey.delete(key)
  }
  await cache.read((key) => rowsByKey.has(key), place)
  signal?.throwIfAborted()
  const missing = [...rowsByKey].map(([key, rows]) => ({ key, text: texts[rows[0]!]! }))
  // Neighbours of near-equal length need little padding.
  missing.sort((a, b) => a.text.length - b.text.length || (a.key < b.key ? -1 : 1))
  let done = distinct - missing.length
  let truncated = 0
  const report = () => options.onProgress?.('embedding', done, distinct)
  report()
  const finish = async ({ batch, encoded }: InFlight): Promise<void> => {
    const result = await encoded
    for (const [i, { key }] of batch.entries()) {
      const vector = result.vectors.slice(i * dimension, (i + 1) * dimension)
      place(key, vector)
      await cache.add(key, vector)
    }
    for (const cut of result.truncated) truncated += cut
    done += batch.length
    report()
  }
  try {
    await runBatches(missing, encoder, finish, signal)
  } finally {
    // Also what was embedded before an interruption need not run again.
    await cache.flush()
  }
  return { embeddings, cached: distinct - missing.length, computed: missing.length, truncated }
}

interface Missing {
  readonly key: string
  readonly text: string
}

interface InFlight {
  readonly batch: readonly Missing[]
  readonly encoded: ReturnType<Encoder['encode']>
}

async function runBatches(
  missing: readonly Missing[],
  encoder: Encoder,
  finish: (oldest: InFlight) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const prompt = findPrompt(encoder.info, undefined)
  const failed = new AbortController()
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal
  const options = { truncate: true, truncationDirection: 'right', normalize: true } as const
  const inFlight: InFlight[] = []
  try {
    for (const batch of groupByLength(missing)) {
      stop.throwIfAborted()
      if (inFlight.length === MAX_IN_FLIGHT) await finish(inFlight.shift()!)
      const texts = batch.map(({ text }) => text)
      const encoded = encoder.encode(texts, { ...options, prompt, signal: stop })
      // Awaited in its turn; until then a failure must not count as unhandled.
      encoded.catch(() => {})
      inFlight.push({ batch, encoded })
    }
    while (inFlight.length > 0) await finish(inFlight.shift()!)
    stop.throwIfAborted()
  } catch (error) {
    failed.abort()
    await Promise.allSettled(inFlight.map(({ encoded }) => encoded))
    throw error
  }
}

function* groupByLength(missing: readonly Missing[]): Generator<Missing[]> {
  let batch: Missing[] = []
  let length = 0
  for (const item of missing) {
    batch.push(item)
    length += item.text.length
    if (batch.length < BATCH_ROWS && length < BATCH_LENGTH) continue
    yield batch
    batch = []
    length = 0
  }
  if (batch.length > 0) yield batch
}
