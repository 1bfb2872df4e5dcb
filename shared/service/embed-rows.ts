import type { TextRow } from '../dataset/texts.ts'
import type { VectorWriter } from '../dataset/vector-writer.ts'
import type { EncodedBatch, EncodeOptions, Encoder } from '../encoder/types.ts'
import { EspalierError } from '../lib/errors.ts'

/** What is embedded, with what, and where to. */
export interface EmbedRowsOptions {
  readonly encoder: Encoder
  readonly rows: AsyncIterable<TextRow>
  readonly writer: VectorWriter
  /** What messages call the rows' source. */
  readonly source: string
  /** Most rows of one call of the encoder. @default 512 */
  readonly batchRows?: number | undefined
  readonly encode: Omit<EncodeOptions, 'signal' | 'onProgress' | 'project'>
  /** What is written beside a row's vector. */
  readonly describe: (row: TextRow) => Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((rows: number) => void) | undefined
}

/** What was embedded. */
export interface EmbedRowsResult {
  readonly rows: number
  readonly tokens: number
  /** Rows whose text was cut at the encoder's limit. */
  readonly truncated: number
}

export const DEFAULT_BATCH_ROWS = 512
/** Ends a batch early, so that long texts neither fill the memory nor wait long in the encoder's queue. */
const MAX_BATCH_LENGTH = 64 * 1024
/** One batch runs while the next is read and waits, so that no worker is idle in between. */
const MAX_IN_FLIGHT = 2

/**
 * Embeds a stream of rows in bounded memory and writes them in order; committing is the caller's.
 * @throws EspalierError naming the line of a row at fault
 */
export async function embedRows(options: EmbedRowsOptions): Promise<EmbedRowsResult> {
  const { encoder, writer, onProgress } = options
  const failed = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal
  const total = { rows: 0, tokens: 0, truncated: 0 }
  const inFlight: { batch: TextRow[]; encoded: Promise<EncodedBatch> }[] = []

  async function writeOldest(): Promise<void> {
    const { batch, encoded } = inFlight[0]!
    const { vectors, dimension, tokens, truncated } = await nameLines(
      options.source,
      batch,
      encoded,
    )
    inFlight.shift()
    await writer.write(
      batch.map((row, i) => ({
        vector: vectors.subarray(i * dimension, (i + 1) * dimension),
        fields: options.describe(row),
      })),
    )
    total.rows += batch.length
    for (const count of tokens) total.tokens += count
    for (const cut of truncated) total.truncated += cut
    onProgress?.(total.rows)
  }

  try {
    for await (const batch of groupRows(options.rows, options.batchRows ?? DEFAULT_BATCH_ROWS)) {
      signal.throwIfAborted()
      if (inFlight.length === MAX_IN_FLIGHT) await writeOldest()
      const texts = batch.map(({ text }) => text)
      const encoded = encoder.encode(texts, { ...options.encode, signal })
      // Awaited in its turn; until then a failure must not count as unhandled.
      encoded.catch(() => {})
      inFlight.push({ batch, encoded })
    }
    while (inFlight.length > 0) await writeOldest()
    signal.throwIfAborted()
    return total
  } catch (error) {
    failed.abort()
    await Promise.allSettled(inFlight.map(({ encoded }) => encoded))
    throw error
  }
}

async function* groupRows(
  rows: AsyncIterable<TextRow>,
  batchRows: number,
): AsyncGenerator<TextRow[]> {
  let batch: TextRow[] = []
  let length = 0
  for await (const row of rows) {
    batch.push(row)
    length += row.text.length
    if (batch.length < batchRows && length < MAX_BATCH_LENGTH) continue
    yield batch
    batch = []
    length = 0
  }
  if (batch.length > 0) yield batch
}

/** Puts the row's line into an error that names `inputs[i]`. */
async function nameLines(
  source: string,
  batch: readonly TextRow[],
  encoded: Promise<EncodedBatch>,
): Promise<EncodedBatch> {
  try {
    return await encoded
  } catch (error) {
    if (!(error instanceof EspalierError) || error.param === undefined) throw error
    const row = batch[Number(/^inputs\[(\d+)\]$/.exec(error.param)?.[1])]
    if (row === undefined) throw error
    const param = `${source} line ${row.row.line}`
    const message = error.message.replace(error.param, param)
    throw new EspalierError(error.code, message, { cause: error, param })
  }
}
