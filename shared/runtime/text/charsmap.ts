import { EspalierError } from '../../lib/errors.ts'

/** Published maps hold 240 KB. */
const MAX_MAP_BYTES = 4 * 1024 * 1024
/** Graphemes of this many UTF-8 bytes and more are looked at character by character. */
const LONG_GRAPHEME_BYTES = 6
/**
 * What may join the character before it or after it: marks, joiners, format characters, Hangul jamo and the vowel
 * signs that Unicode lists as exceptions. Where a text has none, each of its characters is a grapheme.
 */
const JOINING =
  /[\p{M}\p{Grapheme_Extend}\p{Cf}\p{Emoji_Modifier}\p{Regional_Indicator}\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\u0e33\u0eb3\u0d4e\u{111c2}\u{111c3}\u{1193f}\u{11941}\u{11a3a}\u{11a84}-\u{11a89}\u{11d46}\u{11f02}]|\r\n/u

/** What a text becomes before it is split into pieces. */
export type Normalize = (text: string) => string

/**
 * The normaliser of SentencePiece models, from the `precompiled_charsmap` of a tokenizer.json: a double array (Aoe
 * 1989, as darts-clone writes it) from UTF-8 bytes to replacements. As the reference does, it takes a grapheme of
 * fewer than 6 bytes as one, whose shortest known head stands for all of it, and looks at others by character.
 * @throws EspalierError `invalid_model_file` naming the source, for a map that contradicts itself
 */
export function createCharsmap(base64: string, source: string): Normalize {
  const { units, replacements } = readMap(base64, source)
  const find = (bytes: Uint8Array): string | null => {
    const at = findHead(units, bytes)
    return at === null ? null : readReplacement(replacements, at)
  }
  const encoder = new TextEncoder()
  const remembered = new Map<string, string>()
  const replaceCharacter = (character: string): string => {
    const known = remembered.get(character)
    if (known !== undefined) return known
    const found = find(encoder.encode(character)) ?? character
    remembered.set(character, found)
    return found
  }
  const replaceAll = (text: string): string => {
    let result = ''
    for (const character of text) result += replaceCharacter(character)
    return result
  }
  const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })
  return (text) => {
    if (!JOINING.test(text)) return replaceAll(text)
    let result = ''
    for (const { segment } of segmenter.segment(text)) {
      const bytes = encoder.encode(segment)
      const whole = bytes.length < LONG_GRAPHEME_BYTES ? find(bytes) : null
      result += whole ?? replaceAll(segment)
    }
    return result
  }
}

interface CharacterMap {
  readonly units: Uint32Array
  /** UTF-8, each replacement ended by a zero. */
  readonly replacements: Uint8Array
}

function readMap(base64: string, source: string): CharacterMap {
  const refuse = (why: string): never => {
    throw new EspalierError('invalid_model_file', `${source}: precompiled_charsmap: ${why}`)
  }
  if (base64.length > (MAX_MAP_BYTES * 4) / 3) refuse(`more than ${MAX_MAP_BYTES} bytes`)
  const bytes = Buffer.from(base64, 'base64')
  const size = bytes.length < 4 ? 0 : bytes.readUInt32LE(0)
  if (size === 0 || size % 4 !== 0 || 4 + size > bytes.length) {
    refuse(`its first number, ${size}, is no length of its ${bytes.length} bytes`)
  }
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i))
  return { units, replacements: Uint8Array.from(bytes.subarray(4 + size)) }
}

/** The place of the replacement of the shortest head of `bytes` that the map has; null for none. */
function findHead(units: Uint32Array, bytes: Uint8Array): number | null {
  let at = offsetOf(units[0]!)
  for (const byte of bytes) {
    if (byte === 0) return null
    at ^= byte
    const unit = units[at]
    if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return null
    at ^= offsetOf(unit)
    if ((unit & 0x100) !== 0) return (units[at] ?? 0) & 0x7fffffff
  }
  return null
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6)
}

function readReplacement(replacements: Uint8Array, at: number): string {
  const end = replacements.indexOf(0, at)
  return new TextDecoder().decode(replacements.subarray(at, end === -1 ? replacements.length : end))
}
