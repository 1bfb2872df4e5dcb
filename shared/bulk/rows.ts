import {
  type AskedColumns,
  findTextColumn,
  type InputColumn,
  pickTextColumn,
  splitNames,
} from '../dataset/columns.ts'
import { dataError } from '../dataset/data-error.ts'
import { readTolerantRows } from '../dataset/formats/tolerant-rows.ts'
import { readInput, type TextRow } from '../dataset/texts.ts'
import type { DataRow, DataSource, RowOptions } from '../dataset/types.ts'
import { isEspalierError } from '../lib/errors.ts'
import { isBlank } from '../lib/text/text.ts'
import { print } from '../lib/wording.ts'

/** Which rows of a file are a worker's own, and how they are read. */
export interface BulkReading
  extends RowOptions,
    Pick<AskedColumns, 'textColumn' | 'joinedColumns'> {
  /** @default id, where the first row has it, else the row's index */
  readonly idColumn?: string | undefined
  /** Rows dealt in blocks, where workers share one file; null takes all. */
  readonly deal: { readonly index: number; readonly count: number } | null
}

/** A row that cannot be computed. */
export interface BadRow {
  /** Number of the row in its file, from 0. */
  readonly index: number
  readonly line: number
  readonly reason: string
}

/** A text with what its result is known by. */
export interface BulkRow extends TextRow {
  readonly id: string | number
}

/** Rows of a block, where a file is dealt. */
export const DEALT_ROWS = 1_024

/**
 * Streams the texts of a file; rows without a usable text go to `onBad`.
 * @throws EspalierError `invalid_data` where the file as a whole cannot be read, or lacks a column
 */
export async function* readBulkRows(
  source: DataSource,
  reading: BulkReading,
  onBad: (row: BadRow) => void,
): AsyncGenerator<BulkRow> {
  const { deal } = reading
  let index = -1
  const isOwn = (): boolean =>
    deal === null || Math.floor(index / DEALT_ROWS) % deal.count === deal.index
  const bad = (line: number, reason: string): void => {
    if (isOwn()) onBad({ index, line, reason })
  }
  const rows = readTolerantRows(source, reading, (line, reason) => {
    index++
    bad(line, reason)
  })
  let input: InputColumn | null = null
  let id: string | null = null
  for await (const row of rows) {
    index++
    if (input === null) {
      input = pickText(source, row, reading)
      if (input !== null) id = pickId(source, row, reading.idColumn)
    }
    if (!isOwn()) continue
    if (input === null) {
      bad(row.line, 'there is no column of texts (text, sentence, query, …)')
      continue
    }
    const text = readText(source, row, input)
    if ('fault' in text) {
      bad(row.line, text.fault)
      continue
    }
    const known = id === null ? index : row.cells[id]
    if (typeof known !== 'string' && typeof known !== 'number') {
      bad(row.line, `the id ("${id}") is neither a string nor a number`)
      continue
    }
    yield { index, text: text.text, row, id: known }
  }
}

/** Lines of JSON have columns of their own each: one without a text is a bad row, and the next may have it. */
function pickText(source: DataSource, row: DataRow, reading: BulkReading): InputColumn | null {
  const { textColumn, joinedColumns } = reading
  const isJoined =
    textColumn === undefined && joinedColumns?.every((name) => row.columns.includes(name))
  const columns = isJoined ? joinedColumns! : undefined
  if (columns !== undefined) return { modality: 'text', name: columns.join(','), columns }
  if (source.format !== 'jsonl') return pickTextColumn(source, row, reading)
  const name = textColumn ?? findTextColumn(row)
  if (name === undefined) return null
  const isOne = row.columns.includes(name)
  return { modality: 'text', name, columns: isOne ? [name] : splitNames(name) }
}

function pickId(source: DataSource, row: DataRow, asked: string | undefined): string | null {
  if (asked === undefined) return row.columns.includes('id') ? 'id' : null
  if (source.format === 'jsonl' || row.columns.includes(asked)) return asked
  const has = row.columns.slice(0, 20).join(', ')
  throw dataError(source.name, null, `no column "${asked}"; the columns are ${has}`)
}

/** The text of a row, or what is wrong with it. */
function readText(source: DataSource, row: DataRow, input: InputColumn) {
  const [only, ...more] = input.columns
  const value = row.cells[only!]
  if (more.length === 0 && (value === undefined || value === null)) {
    return { fault: `there is no "${only}"` }
  }
  if (more.length === 0 && typeof value !== 'string') {
    const kind = Array.isArray(value) ? 'a list' : `of type ${typeof value}`
    return { fault: `the text ("${only}") is ${kind}, not a string` }
  }
  try {
    const text = readInput(source.name, row, input)
    return isBlank(text) ? { fault: 'the text is empty' } : { text }
  } catch (error) {
    if (!isEspalierError(error, 'invalid_data')) throw error
    return { fault: print(error.wording) }
  }
}
