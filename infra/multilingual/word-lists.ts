import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Tokenizer } from '../../shared/runtime/text/tokenizer.ts'

const LANGUAGES = [
  ...['zh', 'ja', 'ko', 'en', 'de', 'fr', 'es', 'pt', 'it', 'nl'],
  ...['pl', 'cs', 'sv', 'ru', 'uk', 'tr', 'ar', 'hi', 'id', 'vi'],
]
/** Lists leave numbers out. */
const NUMBERS = 3_000
const WHOLE = { maxTokens: 1_000, truncate: true, truncationDirection: 'right' } as const

/**
 * How often tokens stand in texts of the languages: of each token the share in the language that has most of it.
 * @param folder `wordfreq/data` of the package wordfreq
 */
export async function countTokens(
  folder: string,
  tokenizer: Tokenizer,
): Promise<Map<number, number>> {
  const best = new Map<number, number>()
  const count = (text: string, share: number) => {
    for (const id of tokenizer.encode(text, WHOLE).ids) {
      if ((best.get(id) ?? 0) < share) best.set(id, share)
    }
  }
  for (const language of LANGUAGES) {
    for (const [word, share] of await readWords(join(folder, `small_${language}.msgpack.gz`))) {
      const [first = ''] = word
      // Alone, behind something that is no space, as at the beginning of a sentence, and as an abbreviation.
      count(word, share)
      count(`(${word}`, share / 2)
      count(first.toUpperCase() + word.slice(first.length), share / 4)
      if (word.length <= 5) count(word.toUpperCase(), share / 50)
    }
  }
  for (let number = 0; number < NUMBERS; number++) count(String(number), 1e-6)
  return best
}

/** Words with their shares: entry n of the list has the words of share 10^(-n/100). */
async function readWords(path: string): Promise<[word: string, share: number][]> {
  const [header, ...bins] = decode(gunzipSync(await readFile(path)))
  if (header === undefined) throw new Error(`${path}: no list of wordfreq`)
  return bins.flatMap((words, bin) =>
    words.map((word): [string, number] => [word, 10 ** (-bin / 100)]),
  )
}

/** MessagePack as far as the lists need it: lists of lists of texts, with a header that has two entries. */
function decode(bytes: Buffer): string[][] {
  let at = 0
  const size = (code: number, base: number, mask: number, wide: readonly number[]): number => {
    if ((code & ~mask) === base) return code & mask
    const width = 2 ** wide.indexOf(code)
    at += width
    return bytes.readUIntBE(at - width, width)
  }
  const text = () => {
    const length = size(bytes[at++] as number, 0xa0, 0x1f, [0xd9, 0xda, 0xdb])
    at += length
    return bytes.toString('utf8', at - length, at)
  }
  const list = () => size(bytes[at++] as number, 0x90, 0x0f, [-1, 0xdc, 0xdd])
  const header = () => {
    at++
    const entries = [text(), text(), text(), String(bytes[at++])]
    if (entries[1] !== 'cB' || entries[3] !== '1') throw new Error('no list of wordfreq')
    return entries
  }
  return Array.from({ length: list() }, (_, entry) =>
    entry === 0 ? header() : Array.from({ length: list() }, text),
  )
}
