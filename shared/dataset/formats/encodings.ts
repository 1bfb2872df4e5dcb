import { isUtf8 } from 'node:buffer'
import { EspalierError } from '../../lib/errors.ts'

/** What bytes are read as, and how sure that is. */
export interface GuessedEncoding {
  /** `windows-1252`, or one that a reader has to ask for. */
  readonly encoding: string
  /** 0 to 100. */
  readonly confidence: number
  /** What else it may be, the likeliest first. */
  readonly others: readonly string[]
}

/** What Windows-1252 has at 0x80 to 0x9f, where ISO-8859-1 has invisible controls. */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'
/** Names that mean Windows-1252 to everything that reads text of the web. */
const LATIN = /^(?:windows-1252|cp1252|x-cp1252|iso-?8859-1|latin-?1|l1|us-ascii|ascii)$/i
/** Letters of other alphabets, or of old Macs, read as Windows-1252: capitals and signs inside words. */
const ODD = /\p{Ll}[\p{Lu}\p{S}\x80-\x9f‡†‰„‚¶§¦¿¡]\p{Ll}/gu
/** Above this share of odd characters it is not Windows-1252. */
const MAX_ODD = 0.2
/** Share of zero bytes at even or at odd places from which valid UTF-8 is UTF-16 all the same. */
const UTF16_SHARE = 0.7
const MAX_STRAY = 0.25
/** Encodings that a message names. */
const MAX_NAMED = 3

/**
 * The name by which a text decoder knows an encoding: `utf-8`, `utf-16le`, `windows-1252`, `shift_jis`, …
 * @throws EspalierError `invalid_request` for a name that no encoding has
 */
export function checkEncoding(name: string): string {
  if (LATIN.test(name)) return 'windows-1252'
  try {
    return new TextDecoder(name.toLowerCase() === 'utf16' ? 'utf-16' : name).encoding
  } catch {
    throw new EspalierError(
      'invalid_request',
      `there is no encoding "${name.slice(0, 40)}"; known are utf-8, utf-16le, utf-16be, windows-1252 and those of the web, such as windows-1251, iso-8859-2, shift_jis, gb18030`,
      { param: 'encoding' },
    )
  }
}

/** Decodes Windows-1252, by a table of our own: some releases of Node take it for ISO-8859-1. */
export function decodeWindows1252(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[\x80-\x9f]/g, (character) => WINDOWS_1252[character.charCodeAt(0) - 0x80]!)
}

/** Tells UTF-16 without a byte order mark by its zero bytes, which stand at even or at odd places alone. */
export function guessUtf16(bytes: Buffer): 'utf-16le' | 'utf-16be' | null {
  const units = Math.floor(bytes.length / 2)
  let [high, low] = [0, 0]
  for (let at = 0; at < 2 * units; at += 2) {
    if (bytes[at] === 0) high++
    if (bytes[at + 1] === 0) low++
  }
  const isOdd = bytes.length % 2 === 1
  // A character such as U+4E00 has its zero byte at the other place.
  const stray = Math.min(high, low) / Math.max(high, low)
  if (isOdd || units < 2 || stray > MAX_STRAY) return null
  const share = Math.max(high, low) / units
  // Latin letters have a zero byte each; of Chinese and the like only commas, digits and line ends have one.
  if (!(share > 0) || (share < UTF16_SHARE && isUtf8(wholeCharacters(bytes)))) return null
  const encoding = low > high ? 'utf-16le' : 'utf-16be'
  try {
    new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true })
    return encoding
  } catch {
    return null
  }
}

/** Bytes without the beginning of a character at their end. */
export function wholeCharacters(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length - countUnfinishedBytes(bytes))
}

/** Bytes at the end that begin a character of UTF-8 without finishing it: 0 to 3. */
function countUnfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!
    if (byte >= 0xc0) return characterLength(byte) > back ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}

/** Bytes of a character of UTF-8 by its first. */
export function characterLength(lead: number): number {
  if (lead >= 0xf0) return 4
  if (lead >= 0xe0) return 3
  return lead >= 0xc0 ? 2 : 1
}

/**
 * What bytes are that are no UTF-8, from the first one that is no ASCII on. Null where most characters are UTF-8 all
 * the same: then some are damaged.
 */
export async function guessEncoding(bytes: Buffer): Promise<GuessedEncoding | null> {
  const { valid, invalid } = countCharacters(bytes)
  if (valid >= invalid) return null
  // A CommonJS package, whose names a bundle has in its default alone.
  const { default: chardet } = await import('chardet')
  const likely = chardet
    .analyse(bytes)
    .filter((each) => each.confidence > 0 && each.name !== 'ASCII')
  const [guessed = null, ...rest] = likely
  const others = rest.slice(0, MAX_NAMED - 1).map(({ name }) => name.toLowerCase())
  const isLatin = guessed === null || LATIN.test(guessed.name)
  if (!isLatin) {
    const { name, confidence } = guessed
    return { encoding: name.toLowerCase(), confidence, others }
  }
  const text = decodeWindows1252(bytes)
  const foreign = text.match(/\P{ASCII}/gu)?.length ?? 0
  const odd = (text.match(ODD)?.length ?? 0) + (text.match(/[\x81\x8d\x8f\x90\x9d]/g)?.length ?? 0)
  if (odd > MAX_ODD * foreign) return { encoding: 'macintosh', confidence: 0, others }
  return { encoding: 'windows-1252', confidence: guessed?.confidence ?? 0, others }
}

/** Characters of several bytes that are UTF-8, and bytes that are none. */
function countCharacters(bytes: Buffer): { readonly valid: number; readonly invalid: number } {
  let [valid, invalid] = [0, 0]
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes[at]!)
    const part = bytes.subarray(at, at + length)
    if (bytes[at]! < 0x80) at++
    else if (length > 1 && isUtf8(part)) {
      valid++
      at += length
    } else if (part.length < length) break
    else {
      invalid++
      at++
    }
  }
  return { valid, invalid }
}
