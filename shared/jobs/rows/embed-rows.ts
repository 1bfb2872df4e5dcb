import type { VectorWriter } from '../../dataset/arrays/vector-writer.ts'
import { placeOf } from '../../dataset/image-rows.ts'
import { type DatasetWarning, describeWarnings, WarningCounter } from '../../dataset/summary.ts'
import type { TextRow } from '../../dataset/texts.ts'
import type { EncodeOptions, Encoder } from '../../encoder/types.ts'
import { EspalierError, formatPlace, restate } from '../../lib/errors.ts'
import {
  type EncodedItem,
  encodeLoaded,
  explainFault,
  INPUT_FAULTS,
  loadBatches,
} from './job-inputs.ts'

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
  /** True where an image that cannot be read stops it all; otherwise its row is left out. */
  readonly strict?: boolean | undefined
  /** Told of a row that no worker comes back from, which is then left out; without it, such a row stops it all. */
  readonly onStuck?: ((row: TextRow, reason: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((rows: number) => void) | undefined
}

/** What was embedded. */
export interface EmbedRowsResult {
  readonly rows: number
  readonly tokens: number
  /** Rows whose text was cut at the encoder's limit. */
  readonly truncated: number
  /** What was left out, in sentences. */
  readonly warnings: readonly DatasetWarning[]
}

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
  const unreadable = new WarningCounter()
  const faults = options.onStuck ? INPUT_FAULTS : undefined
  const inFlight: { batch: TextRow[]; encoded: Promise<EncodedItem<TextRow>[]> }[] = []

  function keep({ item, vector, tokens, truncated }: EncodedItem<TextRow>) {
    if (vector instanceof EspalierError) {
      if (vector.code === 'encoder_stuck') {
        options.onStuck?.(item, explainFault(vector))
        return []
      }
      const place = placeOf(item.row)
      const name = place === item.text ? place : `${place}, ${item.text}`
      const why = explainFault(vector)
      if (options.strict) {
        const param = `${options.source} ${place}`
        const { line, place: part } = item.row
        const at = { source: options.source, line, part }
        throw restate(vector, { index: undefined, place: at, param })
      }
      unreadable.add(`${name}: ${why}`)
      return []
    }
    total.tokens += tokens
    total.truncated += truncated
    return [{ vector, fields: options.describe(item) }]
  }

  async function writeOldest(): Promise<void> {
    const { batch, encoded } = inFlight[0]!
    const items = await nameLines(options.source, batch, encoded)
    inFlight.shift()
    const rows = items.flatMap(keep)
    await writer.write(rows)
    total.rows += rows.length
    onProgress?.(total.rows)
  }

  try {
    const inputOf = ({ text, image }: TextRow) => image ?? text
    for await (const loaded of loadBatches(options.rows, inputOf, options.batchRows)) {
      signal.throwIfAborted()
      if (inFlight.length === MAX_IN_FLIGHT) await writeOldest()
      const encoded = encodeLoaded(encoder, loaded, { ...options.encode, signal }, faults)
      // Awaited in its turn; until then a failure must not count as unhandled.
      encoded.catch(() => {})
      inFlight.push({ batch: loaded.map(({ item }) => item), encoded })
    }
    while (inFlight.length > 0) await writeOldest()
    signal.throwIfAborted()
    return { ...total, warnings: describeWarnings({ unreadable_images: unreadable }, 'image') }
  } catch (error) {
    failed.abort()
    await Promise.allSettled(inFlight.map(({ encoded }) => encoded))
    throw error
  }
}

/** Puts the row's line into an error that names `inputs[i]`. */
async function nameLines(
  source: string,
  batch: readonly TextRow[],
  encoded: Promise<EncodedItem<TextRow>[]>,
): Promise<EncodedItem<TextRow>[]> {
  try {
    return await encoded
  } catch (error) {
    if (!(error instanceof EspalierError) || error.index === undefined) throw error
    const row = batch[error.index]?.row
    if (row === undefined) throw error
    const place = { source, line: row.line, part: row.place }
    throw restate(error, { place, param: formatPlace(place) })
  }
}
