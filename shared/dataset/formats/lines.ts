import { dataError, formatBytes } from '../data-error.ts'
import type { RowLimits } from '../types.ts'

const NEWLINE = 10
const RETURN = 13

/** A line without its end, and its number from 1. */
export interface NumberedLine {
  readonly line: number
  readonly text: string
}

/**
 * Splits UTF-8 bytes into lines that end in LF or CRLF, the last also in CR; one array per chunk read.
 * @throws EspalierError `invalid_data` where a line is longer than `maxRowBytes`
 */
export async function* readLines(
  name: string,
  chunks: AsyncIterable<Buffer>,
  limits: RowLimits,
): AsyncGenerator<NumberedLine[]> {
  let parts: Buffer[] = []
  let pending = 0
  let line = 1
  const add = (part: Buffer): void => {
    pending += part.length
    if (pending > limits.maxRowBytes) {
      throw dataError(name, line, `the line is longer than ${formatBytes(limits.maxRowBytes)}`)
    }
    parts.push(part)
  }
  const finish = (): NumberedLine => {
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    const end = bytes[bytes.length - 1] === RETURN ? bytes.length - 1 : bytes.length
    const result = { line, text: bytes.toString('utf8', 0, end) }
    parts = []
    pending = 0
    line++
    return result
  }
  for await (const chunk of chunks) {
    const lines: NumberedLine[] = []
    let start = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, at))
      lines.push(finish())
      start = at + 1
    }
    if (start < chunk.length) add(Buffer.from(chunk.subarray(start)))
    yield lines
  }
  if (pending > 0) yield [finish()]
}
