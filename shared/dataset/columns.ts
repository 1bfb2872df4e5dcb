import { option, say } from '../lib/wording.ts'
import { dataError } from './data-error.ts'
import type { DataRow, DataSource } from './types.ts'

/** Names taken for the text column when none is given, in this order, whatever their case. */
export const TEXT_COLUMNS = [
  'text',
  'texts',
  'sentence',
  'utterance',
  'query',
  'question',
  'input',
  'content',
  'message',
  'document',
] as const

/** Names taken for the column of images' paths where there is no text column, whatever their case. */
export const IMAGE_COLUMNS = [
  'image',
  'image_path',
  'picture',
  'photo',
  'path',
  'file',
  'filename',
  'file_name',
] as const

/** Names taken for the label column when none is given, in this order, whatever their case. */
export const LABEL_COLUMNS = [
  'label',
  'labels',
  'category',
  'categories',
  'intent',
  'class',
  'target',
  'tag',
  'tags',
  'topic',
] as const

/** What the inputs are, and which column has them: texts, or paths of images. */
export interface InputColumn {
  readonly modality: 'text' | 'image'
  readonly name: string
}

/** The columns that a user named. */
export interface AskedColumns {
  readonly textColumn?: string | undefined
  readonly imageColumn?: string | undefined
}

/**
 * The column of the inputs: the one asked for, else of texts if there is one, else of images.
 * @throws EspalierError `invalid_data` listing the columns that there are
 */
export function pickInputColumn(
  source: DataSource,
  row: DataRow,
  { textColumn, imageColumn }: AskedColumns,
): InputColumn {
  const asked = imageColumn ?? (source.format === 'folder' ? 'image' : undefined)
  if (asked !== undefined) return image(pickColumn(source, row, 'image', asked, IMAGE_COLUMNS))
  const isTextGiven = textColumn !== undefined || findColumn(row, TEXT_COLUMNS) !== undefined
  const found = isTextGiven ? undefined : findColumn(row, IMAGE_COLUMNS)
  if (found !== undefined) return image(found)
  return { modality: 'text', name: pickTextColumn(source, row, textColumn) }
}

const image = (name: string): InputColumn => ({ modality: 'image', name })

/**
 * The column that holds the texts: the one asked for, else the first of `TEXT_COLUMNS`, else the only one.
 * @throws EspalierError `invalid_data` listing the columns that there are
 */
export function pickTextColumn(source: DataSource, row: DataRow, asked?: string): string {
  if (asked === undefined && row.columns.length === 1) return row.columns[0]!
  return pickColumn(source, row, 'text', asked, TEXT_COLUMNS)
}

/**
 * The column that holds the labels: the one asked for, else the first of `LABEL_COLUMNS`.
 * @throws EspalierError `invalid_data` listing the columns that there are
 */
export function pickLabelColumn(source: DataSource, row: DataRow, asked?: string): string {
  return pickColumn(source, row, 'label', asked, LABEL_COLUMNS)
}

/** The first of `TEXT_COLUMNS` that a row has. */
export function findTextColumn(row: DataRow): string | undefined {
  return findColumn(row, TEXT_COLUMNS)
}

/** The first of `LABEL_COLUMNS` that a row has. */
export function findLabelColumn(row: DataRow): string | undefined {
  return findColumn(row, LABEL_COLUMNS)
}

function findColumn(row: DataRow, names: readonly string[]): string | undefined {
  for (const name of names) {
    const found = row.columns.find((column) => column.toLowerCase() === name)
    if (found !== undefined) return found
  }
  return undefined
}

function pickColumn(
  source: DataSource,
  row: DataRow,
  role: 'text' | 'label' | 'image',
  asked: string | undefined,
  defaults: readonly string[],
): string {
  if (asked !== undefined) {
    if (row.columns.includes(asked)) return asked
    throw dataError(source.name, null, `no column "${asked}"; the columns are ${listColumns(row)}`)
  }
  const found = findColumn(row, defaults)
  if (found !== undefined) return found
  const named = row.columns.some((column, i) => column !== String(i + 1))
  const headed = named && (source.format === 'csv' || source.format === 'tsv')
  const orNoHeader = headed
    ? say` (or pass ${option('no-header')} where the first row is data)`
    : ''
  throw dataError(
    source.name,
    null,
    say`which column is the ${role}? Pass ${option(`${role}-column`)}; the columns are ${listColumns(row)}${orNoHeader}`,
  )
}

const MAX_LISTED = 20
const MAX_NAME_LENGTH = 40

function listColumns(row: DataRow): string {
  const shown = row.columns.slice(0, MAX_LISTED).map((column) => {
    const short = column.length > MAX_NAME_LENGTH ? `${column.slice(0, MAX_NAME_LENGTH)}…` : column
    return `"${short}"`
  })
  const rest = row.columns.length - shown.length
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ')
}
