import { findTextColumn, pickTextColumn } from '../dataset/columns.ts'
import { dataError } from '../dataset/data-error.ts'
import type { TextRow } from '../dataset/texts.ts'
import { readTolerantRows } from '../dataset/tolerant-rows.ts'
import type { DataRow, DataSource, RowOptions } from '../dataset/types.ts'

/** Which rows of a file are a worker's own, and how they are read. */
export interface BulkReading extends RowOptions {
  /** @default the first of `TEXT_COLUMNS`, or the only column */
  readonly textColumn?: string | undefined
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
  let text: string | null = null
  let id: string | null = null
  for await (const row of rows) {
    index++
    if (text === null) {
      text = pickText(source, row, reading.textColumn)
      if (text !== null) id = pickId(source, row, reading.idColumn)
    }
    if (!isOwn()) continue
    if (text === null) {
      bad(row.line, 'there is no column of texts (text, sentence, query, …)')
      continue
    }
    const value = row.cells[text]
    const fault = typeof value === 'string' ? findFault(value) : describeMissing(text, value)
    if (fault !== null) {
      bad(row.line, fault)
      continue
    }
    const known = id === null ? index : row.cells[id]
    if (typeof known !== 'string' && typeof known !== 'number') {
      bad(row.line, `the id ("${id}") is neither a string nor a number`)
      continue
    }
    yield { index, text: value as string, row, id: known }
  }
}

/** Lines of JSON have columns of their own each: one without a text is a bad row, and the next may have it. */
function pickText(source: DataSource, row: DataRow, asked: string | undefined): string | null {
  if (source.format !== 'jsonl') return pickTextColumn(source, row, asked)
  return asked ?? findTextColumn(row) ?? null
}

function pickId(source: DataSource, row: DataRow, asked: string | undefined): string | null {
  if (asked === undefined) return row.columns.includes('id') ? 'id' : null
  if (source.format === 'jsonl' || row.columns.includes(asked)) return asked
  const has = row.columns.slice(0, 20).join(', ')
  throw dataError(source.name, null, `no column "${asked}"; the columns are ${has}`)
}

function findFault(text: string): string | null {
  return text.trim() === '' ? 'the text is empty' : null
}

function describeMissing(column: string, value: unknown): string {
  if (value === undefined || value === null) return `there is no "${column}"`
  return `the text ("${column}") is ${Array.isArray(value) ? 'a list' : `of type ${typeof value}`}, not a string`
}
