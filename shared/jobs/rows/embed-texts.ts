import type { HashedImage } from '../../dataset/image-file.ts'
import { findPrompt } from '../../encoder/prompts.ts'
import type { Encoder } from '../../encoder/types.ts'
import { encodeAs, type TextReading } from '../../head/head.ts'
import { EspalierError, restate } from '../../lib/errors.ts'
import type { Progress } from '../../lib/logger.ts'
import type { EmbeddingCache } from './embedding-cache.ts'
import { type EncodedItem, encodeLoaded, explainFault, loadBatches } from './job-inputs.ts'

/** An input that is embedded once, however often it occurs: a text, or an image by its content. */
export type KnownInput = string | HashedImage

export interface EmbedTextsOptions {
  readonly encoder: Encoder
  readonly cache: EmbeddingCache
  /** Remembers which texts were cut, since vectors do not tell. */
  readonly cuts: EmbeddingCache
  readonly reading?: TextReading | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** Embeddings of inputs as they are served: cut or read in windows, normalised, with the encoder's default prompt. */
export interface EmbeddedTexts {
  /** Shape [inputs, dimension]; zeros where an image could not be read. */
  readonly embeddings: Float32Array
  /** Why, by the places of such images among the inputs. */
  readonly unreadable: ReadonlyMap<number, string>
  /** Different inputs that were found in the cache, and those that ran. */
  readonly cached: number
  readonly computed: number
  /** Different inputs that were cut. */
  readonly truncated: number
  /** Shape [inputs]: 1 where an input was cut. */
  readonly cut: Uint8Array
}

/** One batch runs while the next waits, so that no worker is idle in between. */
const MAX_IN_FLIGHT = 2
/** Enough to find a text again, and little to be read by others. */
const SHOWN_CHARS = 20

/** Embeds many inputs, each different one once, and those never seen before only. */
export async function embedTexts(
  inputs: readonly KnownInput[],
  options: EmbedTextsOptions,
): Promise<EmbeddedTexts> {
  const { encoder, cache, cuts, signal } = options
  const { dimension } = encoder.info
  const embeddings = new Float32Array(inputs.length * dimension)
  const rowsByKey = new Map<string, number[]>()
  for (const [row, input] of inputs.entries()) {
    const key = cache.keyOf(typeof input === 'string' ? input : `image ${input.sha256}`)
    const rows = rowsByKey.get(key)
    if (rows === undefined) rowsByKey.set(key, [row])
    else rows.push(row)
  }
  const distinct = rowsByKey.size
  const cut = new Uint8Array(inputs.length)
  let truncated = 0
  // Vectors may have gone from the cache while it is still known that they were cut.
  const known = new Set<string>()
  const markCut = (key: string): void => {
    if (known.has(key)) return
    known.add(key)
    truncated++
    for (const row of rowsByKey.get(key) ?? []) cut[row] = 1
  }
  await cuts.read((key) => rowsByKey.has(key), markCut)
  const place = (key: string, vector: Float32Array): void => {
    for (const row of rowsByKey.get(key) ?? []) embeddings.set(vector, row * dimension)
    rowsByKey.delete(key)
  }
  await cache.read((key) => rowsByKey.has(key), place)
  signal?.throwIfAborted()
  const missing = [...rowsByKey].map(([key, rows]) => ({ key, input: inputs[rows[0]!]! }))
  // Neighbours of near-equal length need little padding.
  missing.sort((a, b) => lengthOf(a) - lengthOf(b) || (a.key < b.key ? -1 : 1))
  const faults = new Map<number, string>()
  let done = distinct - missing.length
  const report = () => options.onProgress?.('embedding', done, distinct)
  report()
  const finish = async (encoded: InFlight): Promise<void> => {
    const batch = await encoded
    for (const { item, vector, truncated: isCut } of batch) {
      if (vector instanceof EspalierError) {
        for (const row of rowsByKey.get(item.key) ?? []) {
          faults.set(row, explainFault(vector))
        }
        continue
      }
      if (isCut === 1 && !known.has(item.key)) {
        markCut(item.key)
        await cuts.add(item.key, Float32Array.of(1))
      }
      place(item.key, vector)
      await cache.add(item.key, vector.slice())
    }
    done += batch.length
    report()
  }
  try {
    await runBatches(missing, options, finish)
  } finally {
    // Also what was embedded before an interruption need not run again.
    await cache.flush()
    await cuts.flush()
  }
  const cached = distinct - missing.length
  // In the order of the inputs: keys differ from encoder to encoder.
  const unreadable = new Map([...faults].sort(([a], [b]) => a - b))
  return { embeddings, unreadable, cached, computed: missing.length, truncated, cut }
}

interface Missing {
  readonly key: string
  readonly input: KnownInput
}

type InFlight = Promise<readonly EncodedItem<Missing>[]>

/** Of texts; images all take the same time. */
function lengthOf({ input }: Missing): number {
  return typeof input === 'string' ? input.length : 0
}

/** What messages call an input. */
export function nameOf(input: KnownInput): string {
  return typeof input === 'string' ? input : input.path
}

/** Batches are in an order of their own: an error that concerns one input names it by what it is. */
function nameInput(error: unknown, batch: readonly { readonly item: Missing }[]): unknown {
  if (!(error instanceof EspalierError) || error.index === undefined) return error
  const input = batch[error.index]?.item.input
  if (input === undefined) return error
  if (typeof input !== 'string') return restate(error, { param: input.path })
  const start = JSON.stringify(input.slice(0, SHOWN_CHARS))
  return restate(error, { param: `the text of ${input.length} characters that begins ${start}` })
}

async function runBatches(
  missing: readonly Missing[],
  { encoder, reading, signal }: EmbedTextsOptions,
  finish: (oldest: InFlight) => Promise<void>,
): Promise<void> {
  const prompt = findPrompt(encoder.info, undefined)
  const failed = new AbortController()
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal
  const options = { ...encodeAs(reading), normalize: true }
  const inFlight: InFlight[] = []
  try {
    for await (const batch of loadBatches(missing, ({ input }) => input)) {
      stop.throwIfAborted()
      if (inFlight.length === MAX_IN_FLIGHT) await finish(inFlight.shift()!)
      const running = encodeLoaded(encoder, batch, { ...options, prompt, signal: stop })
      const encoded = running.catch((error: unknown) => {
        throw nameInput(error, batch)
      })
      // Awaited in its turn; until then a failure must not count as unhandled.
      encoded.catch(() => {})
      inFlight.push(encoded)
    }
    while (inFlight.length > 0) await finish(inFlight.shift()!)
    stop.throwIfAborted()
  } catch (error) {
    failed.abort()
    await Promise.allSettled(inFlight)
    throw error
  }
}
