import {
  type AskedColumns,
  findLabelColumn,
  type InputColumn,
  pickInputColumn,
  pickLabelColumn,
} from './columns.ts'
import { dataError, formatBytes } from './data-error.ts'
import { countSkippedFiles, splitLabels } from './examples.ts'
import type { HashedImage } from './image-file.ts'
import { hashImages, openImagesOf } from './image-rows.ts'
import { noRows, readLabelCell } from './labelled.ts'
import { readRows } from './rows.ts'
import { type DatasetWarning, describeWarnings } from './summary.ts'
import { readTextCell } from './texts.ts'
import type { DataSource, RowOptions, SkippedFile } from './types.ts'

/** How rows are read that may carry labels. */
export interface RowsToCompareOptions extends RowOptions, AskedColumns {
  /** Must be there where it is given; otherwise any of `LABEL_COLUMNS` is taken if there is one. */
  readonly labelColumn?: string | undefined
  readonly labelSeparator?: string | undefined
  /** Largest file of an image. @default 10 MiB */
  readonly maxImageBytes?: number | undefined
}

/** An input to put to several classifiers. */
export interface RowToCompare {
  /** Line on which the row starts, from 1; of a folder, the number of the image. */
  readonly line: number
  /** The text; of an image, the path that names it. */
  readonly text: string
  /** Null where the row says nothing of its label. */
  readonly labels: readonly string[] | null
  /** Where the input is an image. */
  readonly image?: HashedImage | undefined
}

/** Rows in their order, and what a user should know about them. */
export interface RowsToCompare {
  readonly rows: readonly RowToCompare[]
  readonly modality: 'text' | 'image'
  readonly warnings: readonly DatasetWarning[]
}

const MAX_ROWS = 5_000_000
/** Texts together, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 2 ** 30

/**
 * Reads rows with or without labels, in their order; rows without a text and images that cannot be read are
 * left out.
 * @throws EspalierError `invalid_data` for a missing column, a wrong cell, no rows, too much of anything
 */
export async function readRowsToCompare(
  source: DataSource,
  options: RowsToCompareOptions,
): Promise<RowsToCompare> {
  const { labelColumn, labelSeparator, maxImageBytes, signal } = options
  const rows: RowToCompare[] = []
  const skipped = countSkippedFiles()
  const onSkip = ({ reason, path, why }: SkippedFile) => skipped[reason].add(`${path}: ${why}`)
  let columns: { input: InputColumn; label: string | undefined } | null = null
  let length = 0
  for await (const row of readRows(source, { ...options, onSkip })) {
    columns ??= {
      input: pickInputColumn(source, row, options),
      label:
        labelColumn === undefined
          ? findLabelColumn(row)
          : pickLabelColumn(source, row, labelColumn),
    }
    const text = readTextCell(source.name, row, columns.input.name)
    if (text.trim() === '') continue
    length += text.length
    if (rows.length >= MAX_ROWS || length > MAX_TEXT_LENGTH) {
      const limit = `${MAX_ROWS} rows and ${formatBytes(MAX_TEXT_LENGTH)} of text`
      throw dataError(source.name, row.line, `more than ${limit}; compare on a sample`)
    }
    const cell = columns.label === undefined ? [] : readLabelCell(source.name, row, columns.label)
    const labels = splitLabels(cell, labelSeparator)
    const isSilent = labels.length === 0 && (columns.label === undefined || !Array.isArray(cell))
    rows.push({ line: row.line, text, labels: isSilent ? null : labels })
  }
  const modality = columns?.input.modality ?? 'text'
  if (rows.length === 0) {
    const isFolder = source.format === 'folder'
    throw isFolder ? noRows(source) : dataError(source.name, null, 'no row has a text')
  }
  if (modality === 'text') return { rows, modality, warnings: [] }
  const folder = openImagesOf(source, maxImageBytes)
  const images = await hashImages(folder, rows, onSkip, signal)
  const warnings = describeWarnings(skipped, 'image')
  if (images.length > 0) return { rows: images, modality, warnings }
  throw dataError(source.name, null, 'no image can be read')
}
