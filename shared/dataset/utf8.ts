import { isUtf8 } from 'node:buffer'
import { dataError } from './data-error.ts'

const NEWLINE = 10

/**
 * Passes bytes on, without a byte order mark, as long as they are UTF-8. Every chunk ends on a whole character.
 * @throws EspalierError `invalid_data` naming the line and the byte offset (from 0) of the first wrong byte
 */
export async function* validateUtf8(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  let carry: Buffer = Buffer.alloc(0)
  let offset = 0
  let line = 1
  let started = false
  for await (const chunk of chunks) {
    let bytes: Buffer = Buffer.concat([carry, chunk])
    // The signatures below are up to four bytes long.
    if (!started && bytes.length < 4) {
      carry = bytes
      continue
    }
    if (!started) {
      refuseForeignFormat(name, bytes)
      if (hasByteOrderMark(bytes)) {
        bytes = bytes.subarray(3)
        offset = 3
      }
      started = true
    }
    const whole = bytes.length - countUnfinishedBytes(bytes)
    const body = bytes.subarray(0, whole)
    if (!isUtf8(body)) throw explainInvalid(name, body, line, offset)
    carry = Buffer.from(bytes.subarray(whole))
    offset += whole
    line += countNewlines(body)
    if (whole > 0) yield body
  }
  if (!started) {
    refuseForeignFormat(name, carry)
    if (hasByteOrderMark(carry)) carry = carry.subarray(3)
  }
  if (!isUtf8(carry)) throw explainInvalid(name, carry, line, offset)
  if (carry.length > 0) yield carry
}

/** Bytes at the end that begin a character without finishing it: 0 to 3. */
function countUnfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!
    if (byte >= 0xc0) return characterLength(byte) > back ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}

function characterLength(lead: number): number {
  if (lead >= 0xf0) return 4
  if (lead >= 0xe0) return 3
  return lead >= 0xc0 ? 2 : 1
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

function refuseForeignFormat(name: string, bytes: Buffer): void {
  const [a, b, c, d] = bytes
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) {
    throw dataError(name, null, 'this is UTF-16, not UTF-8; save it as UTF-8')
  }
  if (a === 0x1f && b === 0x8b) {
    throw dataError(name, null, 'this is compressed (gzip); decompress it first, e.g. gunzip')
  }
  if (a === 0x50 && b === 0x4b && c === 3 && d === 4) {
    throw dataError(name, null, 'this is a zip or Excel file; save the sheet as CSV (UTF-8)')
  }
  if (a === 0x50 && b === 0x41 && c === 0x52 && d === 0x31) {
    throw dataError(name, null, 'this is Parquet, which is not read here; convert it to JSONL')
  }
}

function explainInvalid(name: string, body: Buffer, line: number, offset: number) {
  let at = 0
  while (at < body.length) {
    const length = characterLength(body[at]!)
    if (!isUtf8(body.subarray(at, at + length))) break
    at += length
  }
  const byte = (body[at] ?? 0).toString(16).toUpperCase().padStart(2, '0')
  const badLine = line + countNewlines(body.subarray(0, at))
  return dataError(
    name,
    badLine,
    `not UTF-8: byte 0x${byte} at offset ${offset + at}; save it as UTF-8, e.g. ` +
      'iconv -f latin1 -t utf-8 OLD > NEW',
  )
}

function countNewlines(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return count
}
