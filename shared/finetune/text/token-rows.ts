import { EspalierError } from '../../lib/errors.ts'
import type { Tokenizer } from '../../runtime/text/tokenizer.ts'

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
 * Tokenises texts as the encoder reads them, longer ones cut at the right.
 * @param prompt put before every text, as serving does
 * @throws EspalierError `invalid_data` naming the row that cannot be tokenised
 */
export function tokenizeRows(
  tokenizer: Tokenizer,
  texts: readonly string[],
  options: { readonly prompt: string; readonly maxTokens: number; readonly name: string },
): TokenRows {
  const { prompt, maxTokens, name } = options
  const lengths = new Int32Array(texts.length)
  const offsets = new Float64Array(texts.length + 1)
  let ids = new Int32Array(Math.max(16, texts.length * 16))
  let truncated = 0
  let at = 0
  for (const [row, text] of texts.entries()) {
    const found = tokenizeText(tokenizer, prompt + text, maxTokens, `${name}[${row}]`)
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

function tokenizeText(tokenizer: Tokenizer, text: string, maxTokens: number, where: string) {
  try {
    return tokenizer.encode(text, { maxTokens, truncate: true, truncationDirection: 'right' })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_data', `${where}: ${reason}`, { cause })
  }
}
