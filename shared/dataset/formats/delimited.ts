import { dataError, findLongField } from '../data-error.ts'
import type { DataRow, DelimitedRecord, RowLimits, RowOptions } from '../types.ts'
import { readCsvRecords } from './csv.ts'
import { describeDelimiter, findDelimiter, nameDelimiter } from './delimiter.ts'
import { readLines } from './lines.ts'
import { peekable } from './peekable.ts'

/** Takes a row that cannot be used, instead of an error that ends the reading. */
export type OnBadRow = (line: number, reason: string) => void

/** How a table of text is read. */
export interface DelimitedOptions extends Pick<RowOptions, 'delimiter' | 'onNote'> {
  readonly format: 'csv' | 'tsv'
  readonly header: boolean
  readonly limits: RowLimits
}

/** Looked at to tell the delimiter. */
const SAMPLE_BYTES = 65_536
/** First line of some spreadsheets' files; it names the delimiter. */
const NAMED = /^sep=([^\r\n])(?=\r?\n)/i

/**
 * Rows of a CSV or TSV file, checked against its header.
 * @throws EspalierError `invalid_data` for repeated column names, and without `onBad` for ragged rows and long fields
 */
export async function* readDelimited(
  name: string,
  chunks: AsyncIterable<Buffer>,
  options: DelimitedOptions,
  onBad?: OnBadRow,
): AsyncGenerator<DataRow> {
  const { header, limits } = options
  const bytes = peekable(chunks)
  try {
    const delimiter = chooseDelimiter(name, await bytes.peek(SAMPLE_BYTES), options)
    if (delimiter.skip > 0) {
      const first = (await bytes.next()) ?? Buffer.alloc(0)
      bytes.unread(first.subarray(delimiter.skip))
    }
    const records = delimiter.isTsv
      ? readTsvRecords(name, bytes.rest(), limits)
      : readCsvRecords(name, bytes.rest(), delimiter.delimiter, limits)
    let columns: readonly string[] | null = null
    for await (const { line, values } of records) {
      if (columns === null) {
        columns = header ? nameColumns(name, line, values) : values.map((_, i) => String(i + 1))
        if (header) continue
      }
      const fault = findFault(columns, values, delimiter, header, limits)
      if (fault !== null) {
        if (onBad === undefined) throw dataError(name, line, fault)
        onBad(line, fault)
        continue
      }
      const cells: Record<string, unknown> = Object.create(null)
      for (let i = 0; i < columns.length; i++) cells[columns[i]!] = values[i]!
      yield { line, columns, cells }
    }
  } finally {
    await bytes.close()
  }
}

interface ChosenDelimiter {
  readonly delimiter: string
  /** Read as TSV, where quotes are text. */
  readonly isTsv: boolean
  /** Bytes at the start that are no record. */
  readonly skip: number
}

function chooseDelimiter(
  name: string,
  sample: Buffer,
  { format, header, delimiter: asked, onNote }: DelimitedOptions,
): ChosenDelimiter {
  const text = sample.toString('utf8')
  const named = NAMED.exec(text)
  const skip = named?.[0].length ?? 0
  const given = asked ?? named?.[1]
  const isTabbed = format === 'tsv' && (given === undefined || given === '\t')
  if (isTabbed && (given !== undefined || /^[^\r\n]*\t/.test(text))) {
    return { delimiter: '\t', isTsv: true, skip }
  }
  if (given !== undefined) return { delimiter: given, isTsv: false, skip }
  const found = findDelimiter(text, sample.length < SAMPLE_BYTES, header)
  // A file of one column has no delimiter at all.
  const isTsv = format === 'tsv' && found.fields < 2
  const usual = format === 'tsv' ? '\t' : ','
  if (!isTsv && (found.delimiter !== usual || found.rival !== null)) {
    onNote?.([`${name}: `, ...describeDelimiter(found)])
  }
  return { delimiter: isTsv ? '\t' : found.delimiter, isTsv, skip }
}

function findFault(
  columns: readonly string[],
  values: readonly string[],
  { delimiter, isTsv }: ChosenDelimiter,
  header: boolean,
  limits: RowLimits,
): string | null {
  if (values.length !== columns.length) {
    return (
      `${values.length} ${values.length === 1 ? 'field' : 'fields'} where the ${header ? 'header' : 'first row'} has ${columns.length}` +
      (isTsv ? '' : `; a field that contains a ${nameDelimiter(delimiter, 'one')} must be quoted`)
    )
  }
  for (const [i, value] of values.entries()) {
    const long = findLongField(columns[i]!, value, limits)
    if (long !== null) return long
  }
  return null
}

/**
 * TSV has one row a line. Quotes are ordinary text, save where a whole field is quoted with its inner
 * quotes doubled, as spreadsheets write it.
 */
async function* readTsvRecords(
  name: string,
  chunks: AsyncIterable<Buffer>,
  limits: RowLimits,
): AsyncGenerator<DelimitedRecord> {
  for await (const lines of readLines(name, chunks, limits)) {
    for (const { line, text } of lines) {
      if (text !== '') yield { line, values: text.split('\t').map(unquote) }
    }
  }
}

function unquote(field: string): string {
  return /^"(?:[^"]|"")*"$/.test(field) ? field.slice(1, -1).replaceAll('""', '"') : field
}

/**
 * The columns that a header names.
 * @throws EspalierError `invalid_data` for a name that occurs twice
 */
export function nameColumns(name: string, line: number, header: readonly string[]): string[] {
  const columns = header.map((column, i) => column.trim() || String(i + 1))
  const seen = new Set<string>()
  for (const column of columns) {
    if (seen.has(column)) throw dataError(name, line, `the column "${column}" occurs twice`)
    seen.add(column)
  }
  return columns
}
