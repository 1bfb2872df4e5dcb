import { findLoneSurrogate } from '../lib/text/text.ts'
import { checkFieldLength, dataError } from './data-error.ts'
import { readDelimited } from './formats/delimited.ts'
import { readLines } from './formats/lines.ts'
import { readParquet } from './formats/parquet.ts'
import { toUtf8 } from './formats/to-utf8.ts'
import { readWorkbook } from './formats/workbook.ts'
import {
  type DataRow,
  type DataSource,
  DEFAULT_ROW_LIMITS,
  type RowLimits,
  type RowOptions,
} from './types.ts'

/**
 * Streams the rows of a source, in bounded memory whatever its size.
 * @throws EspalierError `invalid_data` naming the source, the line and the fix
 */
export async function* readRows(
  source: DataSource,
  options: RowOptions = {},
): AsyncGenerator<DataRow> {
  if (source.rows) {
    yield* source.rows(options)
    return
  }
  const limits = { ...DEFAULT_ROW_LIMITS, ...options.limits }
  const { name, format } = source
  const { header = true, delimiter, encoding, onNote, signal, sheet } = options
  if (format === 'parquet') return yield* readParquet(source, limits, signal)
  if (format === 'xlsx') {
    return yield* readWorkbook(source, { header, limits, signal, sheet, onNote })
  }
  const chunks = toUtf8(name, source.open(signal), { encoding, onNote })
  switch (format) {
    case 'csv':
    case 'tsv':
      yield* readDelimited(name, chunks, { format, header, limits, delimiter, onNote })
      break
    case 'jsonl':
      yield* readJsonLines(name, chunks, limits)
      break
    case 'txt':
      yield* readTextLines(name, chunks, limits)
      break
  }
}

/** Rows, each with the first few of the source, which can be looked at before the first is used. */
export async function* withFirst(
  rows: AsyncIterable<DataRow>,
  count: number,
): AsyncGenerator<{ readonly row: DataRow; readonly first: readonly DataRow[] }> {
  const first: DataRow[] = []
  let isOpen = false
  for await (const row of rows) {
    if (isOpen) {
      yield { row, first }
      continue
    }
    first.push(row)
    if (first.length < count) continue
    isOpen = true
    for (const each of first) yield { row: each, first }
  }
  if (!isOpen) for (const each of first) yield { row: each, first }
}

async function* readJsonLines(
  name: string,
  chunks: AsyncIterable<Buffer>,
  limits: RowLimits,
): AsyncGenerator<DataRow> {
  let columns: readonly string[] | null = null
  for await (const lines of readLines(name, chunks, limits)) {
    for (const { line, text } of lines) {
      if (text.trim() === '') continue
      const { cells } = parseJsonRow(name, line, text, limits)
      columns ??= Object.keys(cells)
      yield { line, columns, cells }
    }
  }
}

/**
 * One line of JSON lines; its columns are its own keys.
 * @throws EspalierError `invalid_data` where it is no JSON object, or has a text that is no text
 */
export function parseJsonRow(name: string, line: number, text: string, limits: RowLimits): DataRow {
  const cells = parseObject(name, line, text)
  for (const [key, value] of Object.entries(cells)) {
    for (const text of Array.isArray(value) ? value : [value]) {
      if (typeof text === 'string') checkField(name, line, key, text, limits)
    }
  }
  return { line, columns: Object.keys(cells), cells }
}

function parseObject(name: string, line: number, text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const hint = line === 1 && text.trim() === '[' ? '; write one object a line, without [ ]' : ''
    throw dataError(name, line, `not JSON${hint}`, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const hint = Array.isArray(value) ? '; write one object a line, without [ ]' : ''
    throw dataError(name, line, `not a JSON object${hint}`)
  }
  // Without a prototype, so that a column named "toString" is absent where it is absent.
  return Object.assign(Object.create(null), value)
}

async function* readTextLines(
  name: string,
  chunks: AsyncIterable<Buffer>,
  limits: RowLimits,
): AsyncGenerator<DataRow> {
  const columns = ['text']
  for await (const lines of readLines(name, chunks, limits)) {
    for (const { line, text } of lines) {
      checkFieldLength(name, line, 'text', text, limits)
      yield { line, columns, cells: { text } }
    }
  }
}

function checkField(name: string, line: number, key: string, value: string, limits: RowLimits) {
  if (findLoneSurrogate(value) !== -1) {
    throw dataError(name, line, `"${key}" has half of a surrogate pair (\\ud800…\\udfff)`)
  }
  checkFieldLength(name, line, key, value, limits)
}
