import type { TokenizerJson } from './tokenizer-file.ts'

/** Words remembered in each thread: about 2 MB. Running text repeats a few thousand. */
const MAX_WORDS = 8_192
const MAX_WORD_LENGTH = 40
const ASCII_TEXT = /^[\t\n\r\x20-\x7e]*$/
/** How BERT splits ASCII: letters and digits together, every other sign on its own. */
const WORDS = /[A-Za-z0-9]+|[!-/:-@[-`{-~]/g

/** Token ids of a text without special tokens. */
export type EncodeText = (text: string) => number[]

/**
 * Remembers the tokens of words, which in WordPiece do not depend on each other: plain ASCII text is then a
 * few look-ups, several times as fast as normalising and splitting it anew. Other text goes the whole way.
 * Only for BERT's normaliser and pre-tokeniser.
 */
export function rememberWords(encode: EncodeText, config: TokenizerJson): EncodeText {
  const lowercase = config.normalizer?.lowercase === true
  const added = config.added_tokens.map(({ content }) => content)
  const words = new Map<string, readonly number[]>()

  function lookUp(word: string): readonly number[] {
    const known = words.get(word)
    if (known) return known
    const ids = encode(word)
    if (word.length > MAX_WORD_LENGTH) return ids
    if (words.size >= MAX_WORDS) words.clear()
    words.set(word, ids)
    return ids
  }

  return (text) => {
    if (!ASCII_TEXT.test(text)) return encode(text)
    const plain = lowercase ? text.toLowerCase() : text
    if (added.some((content) => text.includes(content) || plain.includes(content))) {
      return encode(text)
    }
    const ids: number[] = []
    for (const [word] of plain.matchAll(WORDS)) {
      for (const id of lookUp(word)) ids.push(id)
    }
    return ids
  }
}
