import { createHash } from 'node:crypto'
import { pickLabelColumn, pickTextColumn } from './columns.ts'
import { dataError, formatBytes } from './data-error.ts'
import {
  assembleExamples,
  type ExampleOptions,
  type LabelledExample,
  type LabelledRow,
} from './examples.ts'
import { readRows } from './rows.ts'
import type { DatasetWarning } from './summary.ts'
import { readTextCell } from './texts.ts'
import type { DataRow, DataSource, RowOptions } from './types.ts'

/** How labelled rows are read. */
export interface LabelledOptions extends RowOptions, ExampleOptions {
  /** @default the first of `TEXT_COLUMNS` */
  readonly textColumn?: string | undefined
  /** @default the first of `LABEL_COLUMNS` */
  readonly labelColumn?: string | undefined
  /** @default 5,000,000 */
  readonly maxRows?: number | undefined
  /** All texts together, in UTF-16 code units. @default 1 GiB */
  readonly maxTextLength?: number | undefined
  readonly onProgress?: ((rows: number) => void) | undefined
}

/** What was read, and what a user should know about it. */
export interface DatasetSummary {
  readonly source: string
  readonly textColumn: string
  readonly labelColumn: string
  readonly multiLabel: boolean
  /** Rows in the source. */
  readonly rows: number
  /** Examples that came of them. */
  readonly examples: number
  /** Examples per class, in the order of `classes`. */
  readonly classCounts: readonly { readonly label: string; readonly count: number }[]
  readonly warnings: readonly DatasetWarning[]
  /** sha256 over the examples, independent of the file's format. */
  readonly sha256: string
}

/** A labelled data set in memory. */
export interface LabelledDataset {
  readonly examples: readonly LabelledExample[]
  /** All labels, sorted by code unit. */
  readonly classes: readonly string[]
  readonly multiLabel: boolean
  readonly summary: DatasetSummary
}

const MAX_ROWS = 5_000_000
const MAX_TEXT_LENGTH = 2 ** 30
const PROGRESS_ROWS = 10_000

/**
 * Reads a whole labelled data set; rows stream in, texts and labels stay.
 * @throws EspalierError `invalid_data`: no rows, one class, a missing column, a wrong cell, too much of anything
 */
export async function readLabelled(
  source: DataSource,
  options: LabelledOptions = {},
): Promise<LabelledDataset> {
  const { maxRows = MAX_ROWS, maxTextLength = MAX_TEXT_LENGTH } = options
  const rows: LabelledRow[] = []
  let columns: { text: string; label: string } | null = null
  let length = 0
  for await (const row of readRows(source, options)) {
    columns ??= {
      text: pickTextColumn(source, row, options.textColumn),
      label: pickLabelColumn(source, row, options.labelColumn),
    }
    const text = readTextCell(source.name, row, columns.text)
    length += text.length
    if (rows.length >= maxRows) {
      throw dataError(source.name, row.line, `more than ${maxRows} rows; train on a sample`)
    }
    if (length > maxTextLength) {
      const limit = formatBytes(maxTextLength)
      throw dataError(source.name, row.line, `more than ${limit} of text; train on a sample`)
    }
    rows.push({ line: row.line, text, label: readLabelCell(source.name, row, columns.label) })
    if (rows.length % PROGRESS_ROWS === 0) options.onProgress?.(rows.length)
  }
  if (columns === null) throw dataError(source.name, null, 'no rows')
  const { examples, classCounts, multiLabel, warnings } = assembleExamples(
    source.name,
    columns.label,
    rows,
    options,
  )
  return {
    examples,
    classes: [...classCounts.keys()],
    multiLabel,
    summary: {
      source: source.name,
      textColumn: columns.text,
      labelColumn: columns.label,
      multiLabel,
      rows: rows.length,
      examples: examples.length,
      classCounts: [...classCounts].map(([label, count]) => ({ label, count })),
      warnings,
      sha256: hashExamples(examples),
    },
  }
}

/**
 * The label of a row: a string, or a list where the row has one.
 * @throws EspalierError `invalid_data` where the cell is neither
 */
export function readLabelCell(
  name: string,
  row: DataRow,
  column: string,
): string | readonly string[] {
  const value = row.cells[column]
  if (typeof value === 'string') return value
  if (value === undefined) throw dataError(name, row.line, `there is no "${column}"`)
  if (Array.isArray(value)) return value.map((item) => readScalar(name, row, column, item))
  return readScalar(name, row, column, value)
}

function readScalar(name: string, row: DataRow, column: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value === null) return ''
  throw dataError(
    name,
    row.line,
    `the label ("${column}") is neither a string, a number nor a list of them`,
  )
}

function hashExamples(examples: readonly LabelledExample[]): string {
  const hash = createHash('sha256')
  for (const { text, labels } of examples) hash.update(`${JSON.stringify([text, labels])}\n`)
  return hash.digest('hex')
}
