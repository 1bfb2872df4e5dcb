import { createHash } from 'node:crypto'
import { pickTextColumn } from './columns.ts'
import { dataError, formatBytes } from './data-error.ts'
import { readLabelCell } from './labelled.ts'
import { readRows } from './rows.ts'
import { readTextCell } from './texts.ts'
import type { DataSource, RowOptions } from './types.ts'

/** Texts of a target domain, with the labels that are known. */
export interface TargetRows {
  readonly texts: readonly string[]
  /** Null where a row has none; a row with a label only serves to judge, never to fit. */
  readonly labels: readonly (string | null)[]
  /** Rows left out because their text is empty. */
  readonly empty: number
  readonly sha256: string
}

const MAX_ROWS = 5_000_000
const MAX_TEXT_LENGTH = 2 ** 30

/**
 * Reads a whole file of texts; repeated texts stay, since they belong to the domain as it is.
 * @throws EspalierError `invalid_data` for no rows, a missing column, a wrong cell, too much of anything
 */
export async function readTargetRows(
  source: DataSource,
  options: RowOptions & {
    readonly textColumn?: string | undefined
    readonly labelColumn?: string | undefined
  },
): Promise<TargetRows> {
  const { labelColumn } = options
  const texts: string[] = []
  const labels: (string | null)[] = []
  const hash = createHash('sha256')
  let column: string | null = null
  let [empty, length] = [0, 0]
  for await (const row of readRows(source, options)) {
    if (column === null) {
      column = pickTextColumn(source, row, options.textColumn)
      if (labelColumn !== undefined && !row.columns.includes(labelColumn)) {
        const has = row.columns.slice(0, 20).join(', ')
        throw dataError(source.name, null, `no column "${labelColumn}"; the columns are ${has}`)
      }
    }
    const text = readTextCell(source.name, row, column)
    if (text.trim() === '') {
      empty++
      continue
    }
    length += text.length
    if (texts.length === MAX_ROWS || length > MAX_TEXT_LENGTH) {
      const limit = `${MAX_ROWS} rows or ${formatBytes(MAX_TEXT_LENGTH)} of text`
      throw dataError(source.name, row.line, `more than ${limit}; adapt to a sample`)
    }
    const label = labelColumn === undefined ? '' : readLabelCell(source.name, row, labelColumn)
    if (typeof label !== 'string') {
      throw dataError(source.name, row.line, `"${labelColumn}" is a list; one label is expected`)
    }
    texts.push(text)
    labels.push(label.trim() || null)
    hash.update(`${JSON.stringify(text)}\n`)
  }
  if (texts.length < 2) throw dataError(source.name, null, 'a target needs two texts at least')
  return { texts, labels, empty, sha256: hash.digest('hex') }
}
