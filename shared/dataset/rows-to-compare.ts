import { isBlank } from '../lib/text/text.ts'
import { type AskedColumns, type InputColumn, pickInputColumn } from './columns.ts'
import { dataError, formatBytes } from './data-error.ts'
import { countSkippedFiles, splitLabels } from './examples.ts'
import type { HashedImage } from './image-file.ts'
import { hashImages, openImagesOf } from './image-rows.ts'
import {
  type AskedLabels,
  findLabelPlace,
  type LabelPlace,
  pickLabelPlace,
  readLabels,
} from './label-columns.ts'
import { noRows } from './labelled.ts'
import { readRows } from './rows.ts'
import { type DatasetWarning, describeWarnings } from './summary.ts'
import { readInput } from './texts.ts'
import type { DataRow, DataSource, RowOptions, SkippedFile } from './types.ts'

/** How rows are read that may carry labels. */
export interface RowsToCompareOptions extends RowOptions, AskedColumns, AskedLabels {
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
  const { labelSeparator, maxImageBytes, signal } = options
  const rows: RowToCompare[] = []
  const skipped = countSkippedFiles()
  const onSkip = ({ reason, path, why }: SkippedFile) => skipped[reason].add(`${path}: ${why}`)
  let columns: { input: InputColumn; label: LabelPlace | null } | null = null
  let length = 0
  for await (const row of readRows(source, { ...options, onSkip })) {
    columns ??= findPlaces(source, row, options)
    const { input, label } = columns
    const text = readInput(source.name, row, input)
    if (isBlank(text)) continue
    length += text.length
    if (rows.length >= MAX_ROWS || length > MAX_TEXT_LENGTH) {
      const limit = `${MAX_ROWS} rows and ${formatBytes(MAX_TEXT_LENGTH)} of text`
      throw dataError(source.name, row.line, `more than ${limit}; compare on a sample`)
    }
    const cell = label === null ? [] : readLabels(source.name, row, label)
    const labels = splitLabels(cell, labelSeparator)
    const isSilent = labels.length === 0 && (label === null || !Array.isArray(cell))
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

/** Where inputs are, and labels: those asked for must be there, else any column with their usual name is taken. */
function findPlaces(source: DataSource, row: DataRow, options: RowsToCompareOptions) {
  const input = pickInputColumn(source, row, options)
  const isAsked = options.labelColumn !== undefined || options.labelColumns !== undefined
  const label = isAsked
    ? pickLabelPlace(source, [row], options, input.columns)
    : findLabelPlace(source, row, input.columns)
  return { input, label }
}
