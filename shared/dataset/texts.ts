import { pickTextColumn } from './columns.ts'
import { dataError } from './data-error.ts'
import { readRows } from './rows.ts'
import type { DataRow, DataSource, RowOptions } from './types.ts'

/** How texts are read from rows. */
export interface TextOptions extends RowOptions {
  /** @default the first of `TEXT_COLUMNS`, or the only column */
  readonly textColumn?: string | undefined
  /** Leave out rows with an empty text; otherwise they are an error. @default false */
  readonly skipEmpty?: boolean | undefined
}

/** A text and the row it comes from. */
export interface TextRow {
  /** Number of the data row, from 0; rows left out are counted too. */
  readonly index: number
  readonly text: string
  readonly row: DataRow
}

/**
 * Streams the texts of a source.
 * @throws EspalierError `invalid_data` for a missing column, an empty text, a text that is not a string
 */
export async function* readTexts(
  source: DataSource,
  options: TextOptions = {},
): AsyncGenerator<TextRow> {
  let column: string | null = null
  let index = -1
  for await (const row of readRows(source, options)) {
    index++
    column ??= pickTextColumn(source, row, options.textColumn)
    const text = readTextCell(source.name, row, column)
    if (text.trim() !== '') yield { index, text, row }
    else if (options.skipEmpty !== true) {
      const fix = 'fill it in, or pass --skip-empty to leave such rows out'
      throw dataError(source.name, row.line, `the text ("${column}") is empty; ${fix}`)
    }
  }
}

/**
 * The text of a row; null and a missing key read as empty where other rows have the column.
 * @throws EspalierError `invalid_data` where the cell is no string
 */
export function readTextCell(name: string, row: DataRow, column: string): string {
  const value = row.cells[column]
  if (typeof value === 'string') return value
  if (value === null) return ''
  if (value === undefined) throw dataError(name, row.line, `there is no "${column}"`)
  const kind = Array.isArray(value)
    ? 'a list'
    : `a${typeof value === 'object' ? 'n' : ''} ${typeof value}`
  throw dataError(name, row.line, `the text ("${column}") is ${kind}, not a string`)
}
