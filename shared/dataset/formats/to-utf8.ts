import { isAscii, isUtf8 } from 'node:buffer'
import { option, say, type Wording } from '../../lib/wording.ts'
import { dataError } from '../data-error.ts'
import {
  characterLength,
  checkEncoding,
  decodeWindows1252,
  type GuessedEncoding,
  guessEncoding,
  guessUtf16,
  wholeCharacters,
} from './encodings.ts'
import { type PeekableBytes, peekable } from './peekable.ts'

const NEWLINE = 10
/** Enough to know a format, or UTF-16, by. */
const START_BYTES = 4_096
/** Looked at from the first byte that is no ASCII. */
const SAMPLE_BYTES = 65_536

/** How bytes become text. */
export interface DecodingOptions {
  /** @default what the bytes tell: a byte order mark, UTF-16, UTF-8, Windows-1252 */
  readonly encoding?: string | undefined
  /** Pass on what is in no known encoding, for a reader that judges line by line. @default false */
  readonly lenient?: boolean | undefined
  readonly onNote?: ((note: Wording) => void) | undefined
}

/**
 * Turns bytes into UTF-8 without a byte order mark. The encoding is the one asked for, or told from a mark, from zero
 * bytes (UTF-16), or from the first bytes that are no ASCII, which reads alike in all others. Every chunk ends on a
 * whole character.
 * @throws EspalierError `invalid_data` naming the line and the byte offset of the first byte at fault; for an encoding
 *   that has to be asked for; for a file that is no text. `invalid_request` for an unknown encoding
 */
export async function* toUtf8(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  options: DecodingOptions = {},
): AsyncGenerator<Buffer> {
  const given = options.encoding === undefined ? undefined : checkEncoding(options.encoding)
  // The byte order, where the name leaves it open, is the file's.
  const asked = /^utf-?16$/i.test(options.encoding ?? '') ? undefined : given
  const bytes = peekable(chunks)
  try {
    const start = await bytes.peek(START_BYTES)
    refuseForeignFormat(name, start)
    const marked = findMark(name, start)
    const encoding = asked ?? marked?.encoding ?? guessUtf16(start) ?? given ?? null
    if (marked?.encoding === encoding) await skip(bytes, marked?.length ?? 0)
    if (encoding === 'utf-8') {
      const offset = marked?.encoding === 'utf-8' ? marked.length : 0
      yield* validate(name, bytes, { offset, line: 1 }, options)
    } else if (encoding === null) yield* decide(name, bytes, options)
    else {
      if (asked === undefined) {
        const how = marked === null ? 'told by its zero bytes' : 'by its byte order mark'
        options.onNote?.(say`${name}: read as ${encoding.toUpperCase()}, ${how}`)
      }
      yield* transcode(name, bytes, encoding)
    }
  } finally {
    await bytes.close()
  }
}

/** Reads ASCII as it is; what follows decides. */
async function* decide(
  name: string,
  bytes: PeekableBytes,
  options: DecodingOptions,
): AsyncGenerator<Buffer> {
  let offset = 0
  let line = 1
  for (let part = await bytes.next(); part !== null; part = await bytes.next()) {
    const ascii = isAscii(part) ? part.length : part.findIndex((byte) => byte >= 0x80)
    bytes.unread(part.subarray(ascii))
    const passed = part.subarray(0, ascii)
    offset += ascii
    line += countNewlines(passed)
    if (ascii > 0) yield passed
    if (ascii < part.length) break
  }
  const sample = await bytes.peek(SAMPLE_BYTES)
  const isWhole = sample.length < SAMPLE_BYTES
  const isText = isUtf8(isWhole ? sample : wholeCharacters(sample))
  const guessed = isText ? null : await guessEncoding(sample)
  if (guessed === null) yield* validate(name, bytes, { offset, line }, options)
  else if (guessed.encoding === 'windows-1252') {
    options.onNote?.(
      say`${name}: read as Windows-1252 (confidence ${guessed.confidence} of 100): line ${line + lineOf(sample)} is not UTF-8; where characters come out wrong, pass ${option('encoding')}`,
    )
    yield* transcode(name, bytes, guessed.encoding)
  } else if (options.lenient) yield* bytes.rest()
  else throw explainUnknown(name, sample, { offset, line }, guessed)
}

/** Lines of a sample before its first byte that is no UTF-8. */
function lineOf(sample: Buffer): number {
  return countNewlines(sample.subarray(0, findInvalid(sample)))
}

async function skip(bytes: PeekableBytes, count: number): Promise<void> {
  for (let left = count; left > 0; ) {
    const part = (await bytes.next()) ?? Buffer.alloc(0)
    bytes.unread(part.subarray(left))
    left -= Math.min(left, part.length)
  }
}

/** Where the bytes to come stand in the file. */
interface Position {
  readonly offset: number
  readonly line: number
}

/** Passes on what is UTF-8. */
async function* validate(
  name: string,
  bytes: PeekableBytes,
  from: Position,
  { encoding, lenient }: DecodingOptions,
): AsyncGenerator<Buffer> {
  if (lenient) {
    yield* bytes.rest()
    return
  }
  let { offset, line } = from
  let carry: Buffer = Buffer.alloc(0)
  const isAsked = encoding !== undefined
  for await (const chunk of bytes.rest()) {
    const all = Buffer.concat([carry, chunk])
    const body = wholeCharacters(all)
    if (!isUtf8(body)) throw explainInvalid(name, body, { offset, line }, isAsked)
    carry = Buffer.from(all.subarray(body.length))
    offset += body.length
    line += countNewlines(body)
    if (body.length > 0) yield body
  }
  if (!isUtf8(carry)) throw explainInvalid(name, carry, { offset, line }, isAsked)
  if (carry.length > 0) yield carry
}

async function* transcode(
  name: string,
  bytes: PeekableBytes,
  encoding: string,
): AsyncGenerator<Buffer> {
  if (encoding === 'windows-1252') {
    for await (const chunk of bytes.rest()) yield Buffer.from(decodeWindows1252(chunk))
    return
  }
  const decoder = new TextDecoder(encoding, { fatal: true })
  let line = 1
  const decode = (chunk?: Buffer): Buffer => {
    try {
      return Buffer.from(decoder.decode(chunk, { stream: chunk !== undefined }))
    } catch (cause) {
      const why = `the bytes from here on are not ${encoding.toUpperCase()}`
      throw dataError(name, line, why, cause)
    }
  }
  for await (const chunk of bytes.rest()) {
    const text = decode(chunk)
    line += countNewlines(text)
    if (text.length > 0) yield text
  }
  const last = decode()
  if (last.length > 0) yield last
}

function findMark(name: string, bytes: Buffer): { encoding: string; length: number } | null {
  const [a, b, c, d] = bytes
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf-8', length: 3 }
  const isLong = a === 0xff && b === 0xfe && c === 0 && d === 0 && bytes.length % 4 === 0
  if (isLong) throw dataError(name, null, 'this is UTF-32, which is not read; save it as UTF-8')
  if (a === 0xff && b === 0xfe) return { encoding: 'utf-16le', length: 2 }
  return a === 0xfe && b === 0xff ? { encoding: 'utf-16be', length: 2 } : null
}

function refuseForeignFormat(name: string, [a, b, c, d]: Buffer): void {
  if (a === 0x1f && b === 0x8b) {
    throw dataError(name, null, 'this is compressed (gzip); decompress it first, e.g. gunzip')
  }
  if (a === 0x50 && b === 0x4b && c === 3 && d === 4) {
    const message = say`this is a zip file; pass ${option('format', 'xlsx')} where it is a workbook of Excel, else unpack it first`
    throw dataError(name, null, message)
  }
  if (a === 0x50 && b === 0x41 && c === 0x52 && d === 0x31) {
    throw dataError(name, null, say`this is Parquet; pass ${option('format', 'parquet')}`)
  }
}

/** Place of the first byte that is no UTF-8. */
function findInvalid(body: Buffer): number {
  let at = 0
  while (at < body.length) {
    const length = characterLength(body[at]!)
    if (!isUtf8(body.subarray(at, at + length))) break
    at += length
  }
  return at
}

function describeByte(body: Buffer, { offset, line }: Position) {
  const at = findInvalid(body)
  const byte = (body[at] ?? 0).toString(16).toUpperCase().padStart(2, '0')
  const place = line + countNewlines(body.subarray(0, at))
  return { line: place, what: `not UTF-8: byte 0x${byte} at offset ${offset + at}` }
}

function explainInvalid(name: string, body: Buffer, from: Position, isAsked: boolean) {
  const { line, what } = describeByte(body, from)
  const latin = option('encoding', 'windows-1252')
  const fix = isAsked
    ? say`; correct it, or name the encoding of the file, such as ${latin}`
    : say`, and what stands before it is UTF-8; correct it, or pass ${latin} where all of it is Windows-1252`
  return dataError(name, line, [what, ...fix])
}

function explainUnknown(
  name: string,
  sample: Buffer,
  from: Position,
  { encoding, confidence, others }: GuessedEncoding,
) {
  const { line, what } = describeByte(sample, from)
  const sure = confidence > 0 ? ` (confidence ${confidence} of 100)` : ''
  const or = others.length > 0 ? `, else like ${others.join(' or ')}` : ''
  const fix = say`; it looks like ${encoding}${sure}${or}: pass ${option('encoding')} with its name, or save it as UTF-8`
  return dataError(name, line, [what, ...fix])
}

function countNewlines(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return count
}
