import { isUtf8 } from 'node:buffer'
import { isEspalierError } from '../../lib/errors.ts'
import { print } from '../../lib/wording.ts'
import { formatBytes } from '../data-error.ts'
import { parseJsonRow } from '../rows.ts'
import {
  type DataRow,
  type DataSource,
  DEFAULT_ROW_LIMITS,
  type RowLimits,
  type RowOptions,
} from '../types.ts'
import { type OnBadRow, readDelimited } from './delimited.ts'
import { readParquet } from './parquet.ts'
import { toUtf8 } from './to-utf8.ts'
import { readWorkbook } from './workbook.ts'

const NEWLINE = 10
const BYTE_ORDER_MARK = Buffer.from('\ufeff')

/**
 * Streams the rows of a source and hands those at fault to `onBad`, in the order of the file. A quote that is never
 * closed and bytes that are no UTF-8 end a CSV or TSV file: where its next row begins cannot be known.
 * @throws EspalierError `invalid_data` for such a file
 */
export async function* readTolerantRows(
  source: DataSource,
  options: RowOptions,
  onBad: OnBadRow,
): AsyncGenerator<DataRow> {
  const limits = { ...DEFAULT_ROW_LIMITS, ...options.limits }
  const { name, format } = source
  const { encoding, delimiter, onNote, signal, sheet, header = true } = options
  if (format === 'parquet') return yield* readParquet(source, limits, signal, onBad)
  if (format === 'xlsx') {
    return yield* readWorkbook(source, { header, limits, signal, sheet, onNote }, onBad)
  }
  const isTable = format === 'csv' || format === 'tsv'
  const decoding = { encoding, onNote, lenient: !isTable }
  const chunks = toUtf8(name, source.open(signal), decoding)
  if (isTable) {
    yield* readDelimited(name, chunks, { format, header, limits, delimiter, onNote }, onBad)
    return
  }
  for await (const { line, text } of readTolerantLines(chunks, limits, onBad)) {
    if (format === 'txt') yield { line, columns: ['text'], cells: { text } }
    else if (text.trim() !== '') {
      const row = parseTolerant(name, line, text, limits, onBad)
      if (row !== null) yield row
    }
  }
}

function parseTolerant(
  name: string,
  line: number,
  text: string,
  limits: RowLimits,
  onBad: OnBadRow,
): DataRow | null {
  try {
    return parseJsonRow(name, line, text, limits)
  } catch (error) {
    if (!isEspalierError(error, 'invalid_data')) throw error
    onBad(line, print(error.wording))
    return null
  }
}

/** Lines without their end; one that is too long or no UTF-8 is passed over. */
async function* readTolerantLines(
  chunks: AsyncIterable<Uint8Array>,
  { maxRowBytes }: RowLimits,
  onBad: OnBadRow,
): AsyncGenerator<{ readonly line: number; readonly text: string }> {
  let parts: Buffer[] = []
  let length = 0
  let line = 1
  const take = (part: Buffer): void => {
    length += part.length
    // What is too long is only counted from here on.
    if (length <= maxRowBytes) parts.push(part)
    else parts = []
  }
  const finish = () => {
    const number = line++
    const bytes = Buffer.concat(parts)
    const isLong = length > maxRowBytes
    parts = []
    length = 0
    if (isLong) {
      onBad(number, `the line is longer than ${formatBytes(maxRowBytes)}`)
      return null
    }
    if (!isUtf8(bytes)) {
      onBad(number, 'the line is not UTF-8')
      return null
    }
    const hasMark = number === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)
    const text = bytes.toString('utf8', hasMark ? 3 : 0)
    return { line: number, text: text.endsWith('\r') ? text.slice(0, -1) : text }
  }
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let start = 0
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, start)) {
      take(bytes.subarray(start, at))
      const row = finish()
      if (row !== null) yield row
      start = at + 1
    }
    // A copy, since a source may use its buffer again.
    if (start < bytes.length) take(Buffer.from(bytes.subarray(start)))
  }
  if (length > 0) {
    const row = finish()
    if (row !== null) yield row
  }
}
