import { findLabelColumn, pickLabelColumn, pickTextColumn } from './columns.ts'
import { dataError, formatBytes } from './data-error.ts'
import { splitLabels } from './examples.ts'
import { readLabelCell } from './labelled.ts'
import { readRows } from './rows.ts'
import { readTextCell } from './texts.ts'
import type { DataSource, RowOptions } from './types.ts'

/** How rows are read that may carry labels. */
export interface RowsToCompareOptions extends RowOptions {
  readonly textColumn?: string | undefined
  /** Must be there where it is given; otherwise any of `LABEL_COLUMNS` is taken if there is one. */
  readonly labelColumn?: string | undefined
  readonly labelSeparator?: string | undefined
}

/** A text to put to several classifiers. */
export interface RowToCompare {
  /** Line on which the row starts, from 1. */
  readonly line: number
  readonly text: string
  /** Null where the row says nothing of its label. */
  readonly labels: readonly string[] | null
}

const MAX_ROWS = 5_000_000
/** Texts together, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 2 ** 30

/**
 * Reads rows with or without labels, in their order; rows without a text are left out.
 * @throws EspalierError `invalid_data` for a missing column, a wrong cell, no rows, too much of anything
 */
export async function readRowsToCompare(
  source: DataSource,
  options: RowsToCompareOptions,
): Promise<RowToCompare[]> {
  const rows: RowToCompare[] = []
  let columns: { text: string; label: string | undefined } | null = null
  let length = 0
  for await (const row of readRows(source, options)) {
    columns ??= {
      text: pickTextColumn(source, row, options.textColumn),
      label:
        options.labelColumn === undefined
          ? findLabelColumn(row)
          : pickLabelColumn(source, row, options.labelColumn),
    }
    const text = readTextCell(source.name, row, columns.text)
    if (text.trim() === '') continue
    length += text.length
    if (rows.length >= MAX_ROWS || length > MAX_TEXT_LENGTH) {
      const limit = `${MAX_ROWS} rows and ${formatBytes(MAX_TEXT_LENGTH)} of text`
      throw dataError(source.name, row.line, `more than ${limit}; compare on a sample`)
    }
    const cell = columns.label === undefined ? [] : readLabelCell(source.name, row, columns.label)
    const labels = splitLabels(cell, options.labelSeparator)
    const isSilent = labels.length === 0 && (columns.label === undefined || !Array.isArray(cell))
    rows.push({ line: row.line, text, labels: isSilent ? null : labels })
  }
  if (rows.length === 0) throw dataError(source.name, null, 'no row has a text')
  return rows
}
