import { EspalierError } from '../../lib/errors.ts'
import type { NamedTensor } from '../../runtime/session.ts'
import type { TokenizeOptions, Tokenizer } from '../../runtime/text/tokenizer.ts'
import type { RowSource } from '../rows/labelled-rows.ts'

/** Token ids of many texts, one after another. */
export interface TokenRows {
  readonly ids: Int32Array
  /** Where each row starts, and the end of the last: shape [rows + 1]. */
  readonly offsets: Float64Array
  /** Tokens of each row, special ones included. */
  readonly lengths: Int32Array
  /** Texts that were cut. */
  readonly truncated: number
}

/**
 * Tokenises texts as the encoder reads them, longer ones cut.
 * @param prompt put before every text, as serving does
 * @throws EspalierError `invalid_data` naming the row that cannot be tokenised
 */
export function tokenizeRows(
  tokenizer: Tokenizer,
  texts: readonly string[],
  options: {
    readonly prompt: string
    readonly maxTokens: number
    readonly truncationDirection?: 'left' | 'right' | undefined
    readonly name: string
  },
): TokenRows {
  const { prompt, maxTokens, truncationDirection = 'right', name } = options
  const cut: TokenizeOptions = { maxTokens, truncate: true, truncationDirection }
  const lengths = new Int32Array(texts.length)
  const offsets = new Float64Array(texts.length + 1)
  let ids = new Int32Array(Math.max(16, texts.length * 16))
  let truncated = 0
  let at = 0
  for (const [row, text] of texts.entries()) {
    const found = tokenizeText(tokenizer, prompt + text, cut, `${name}[${row}]`)
    if (at + found.ids.length > ids.length) {
      const grown = new Int32Array((at + found.ids.length) * 2)
      grown.set(ids)
      ids = grown
    }
    ids.set(found.ids, at)
    at += found.ids.length
    lengths[row] = found.ids.length
    offsets[row + 1] = at
    if (found.truncated) truncated++
  }
  return { ids: ids.slice(0, at), offsets, lengths, truncated }
}

function tokenizeText(tokenizer: Tokenizer, text: string, cut: TokenizeOptions, where: string) {
  try {
    return tokenizer.encode(text, cut)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_data', `${where}: ${reason}`, { cause })
  }
}

/** Rows that enter at token ids. */
export function createTokenSource(rows: TokenRows, padId: number): RowSource {
  return {
    lengths: rows.lengths,
    feed(batch, start) {
      if (start.kind !== 'ids') throw new RangeError(`tokens do not enter at ${start.kind}`)
      const dims = [batch.length, widthOf(rows.lengths, batch)]
      const ids = new Int32Array(batch.length * (dims[1] as number)).fill(padId)
      for (const [at, row] of batch.entries()) {
        const from = rows.offsets[row] as number
        ids.set(rows.ids.subarray(from, rows.offsets[row + 1]), at * (dims[1] as number))
      }
      return { [start.ids]: { data: ids, dims }, [start.mask]: maskOf(rows.lengths, batch, dims) }
    },
  }
}

/** 1 for the tokens of each row, 0 for the padding after them. */
export function maskOf(
  lengths: Int32Array,
  rows: Int32Array,
  dims: readonly number[],
): NamedTensor {
  const width = dims[1] as number
  const data = new Float32Array(rows.length * width)
  for (const [at, row] of rows.entries()) {
    data.fill(1, at * width, at * width + (lengths[row] as number))
  }
  return { data, dims }
}

/** Tokens of the longest row. */
export function widthOf(lengths: Int32Array, rows: Int32Array): number {
  return rows.reduce((width, row) => Math.max(width, lengths[row] as number), 1)
}
