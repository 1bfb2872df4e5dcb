import { readCsvRecords } from './csv.ts'
import { checkFieldLength, dataError } from './data-error.ts'
import { readLines } from './lines.ts'
import type { DataRow, RowLimits } from './types.ts'

/** A record of CSV or TSV before its values have names. */
export interface DelimitedRecord {
  readonly line: number
  readonly values: readonly string[]
}

/**
 * Rows of a CSV or TSV file, checked against its header.
 * @throws EspalierError `invalid_data` for ragged rows, long fields, repeated column names
 */
export async function* readDelimited(
  name: string,
  format: 'csv' | 'tsv',
  chunks: AsyncIterable<Buffer>,
  header: boolean,
  limits: RowLimits,
): AsyncGenerator<DataRow> {
  const records =
    format === 'csv' ? readCsvRecords(name, chunks, limits) : readTsvRecords(name, chunks, limits)
  let columns: readonly string[] | null = null
  for await (const { line, values } of records) {
    if (columns === null) {
      columns = header ? nameColumns(name, line, values) : values.map((_, i) => String(i + 1))
      if (header) continue
    }
    if (values.length !== columns.length) {
      throw dataError(
        name,
        line,
        `${values.length} ${values.length === 1 ? 'field' : 'fields'} where the ${header ? 'header' : 'first row'} has ${columns.length}` +
          (format === 'csv' ? '; a field that contains a comma must be quoted' : ''),
      )
    }
    const cells: Record<string, unknown> = Object.create(null)
    for (let i = 0; i < columns.length; i++) {
      const value = values[i]!
      checkFieldLength(name, line, columns[i]!, value, limits)
      cells[columns[i]!] = value
    }
    yield { line, columns, cells }
  }
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
