import { readCsvRecords } from './csv.ts'
import { dataError, findLongField } from './data-error.ts'
import { readLines } from './lines.ts'
import type { DataRow, DelimitedRecord, RowLimits } from './types.ts'

/** Takes a row that cannot be used, instead of an error that ends the reading. */
export type OnBadRow = (line: number, reason: string) => void

/**
 * Rows of a CSV or TSV file, checked against its header.
 * @throws EspalierError `invalid_data` for repeated column names, and without `onBad` for ragged rows and long fields
 */
export async function* readDelimited(
  name: string,
  format: 'csv' | 'tsv',
  chunks: AsyncIterable<Buffer>,
  header: boolean,
  limits: RowLimits,
  onBad?: OnBadRow,
): AsyncGenerator<DataRow> {
  const records =
    format === 'csv' ? readCsvRecords(name, chunks, limits) : readTsvRecords(name, chunks, limits)
  let columns: readonly string[] | null = null
  for await (const { line, values } of records) {
    if (columns === null) {
      columns = header ? nameColumns(name, line, values) : values.map((_, i) => String(i + 1))
      if (header) continue
    }
    const fault = findFault(columns, values, format, header, limits)
    if (fault !== null) {
      if (onBad === undefined) throw dataError(name, line, fault)
      onBad(line, fault)
      continue
    }
    const cells: Record<string, unknown> = Object.create(null)
    for (let i = 0; i < columns.length; i++) cells[columns[i]!] = values[i]!
    yield { line, columns, cells }
  }
}

function findFault(
  columns: readonly string[],
  values: readonly string[],
  format: 'csv' | 'tsv',
  header: boolean,
  limits: RowLimits,
): string | null {
  if (values.length !== columns.length) {
    return (
      `${values.length} ${values.length === 1 ? 'field' : 'fields'} where the ${header ? 'header' : 'first row'} has ${columns.length}` +
      (format === 'csv' ? '; a field that contains a comma must be quoted' : '')
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

function nameColumns(name: string, line: number, header: readonly string[]): string[] {
  const columns = header.map((column, i) => column.trim() || String(i + 1))
  const seen = new Set<string>()
  for (const column of columns) {
    if (seen.has(column)) throw dataError(name, line, `the column "${column}" occurs twice`)
    seen.add(column)
  }
  return columns
}
