import { option, say } from '../lib/wording.ts'
import { dataError } from './data-error.ts'
import type { DataRow, DataSource, RowOptions } from './types.ts'

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

const KNOWN_COLUMNS: ReadonlySet<string> = new Set([
  ...TEXT_COLUMNS,
  ...IMAGE_COLUMNS,
  ...LABEL_COLUMNS,
  'id',
])

/** What the inputs are, and which columns have them: texts, or paths of images. */
export interface InputColumn {
  readonly modality: 'text' | 'image'
  /** As messages and reports say it: `subject,body`. */
  readonly name: string
  /** In the order in which their texts are joined; one of images. */
  readonly columns: readonly string[]
}

/** The columns that a user named. */
export interface AskedColumns {
  /** A column, or several, separated by commas. */
  readonly textColumn?: string | undefined
  readonly imageColumn?: string | undefined
  /** Columns whose texts a classifier was trained on joined; taken where a source has them all and none is named. */
  readonly joinedColumns?: readonly string[] | undefined
}

/** True for a name that a column of inputs, labels or ids usually has. */
export function isKnownColumn(name: string): boolean {
  return KNOWN_COLUMNS.has(name.toLowerCase())
}

/**
 * The columns of the inputs: those asked for, else of texts if there is one, else of images.
 * @throws EspalierError `invalid_data` listing the columns that there are
 */
export function pickInputColumn(
  source: DataSource,
  row: DataRow,
  options: AskedColumns & Pick<RowOptions, 'onNote'>,
): InputColumn {
  const { textColumn, imageColumn, joinedColumns } = options
  const asked = imageColumn ?? (source.format === 'folder' ? 'image' : undefined)
  if (asked !== undefined) return image(pickColumn(source, row, 'image', asked, IMAGE_COLUMNS))
  if (textColumn === undefined && joinedColumns?.every((name) => row.columns.includes(name))) {
    return joined(joinedColumns)
  }
  const found =
    textColumn === undefined && findColumns(row, TEXT_COLUMNS).length === 0
      ? findColumns(row, IMAGE_COLUMNS)[0]
      : undefined
  if (found !== undefined) return image(found)
  return pickTextColumn(source, row, options)
}

const image = (name: string): InputColumn => ({ modality: 'image', name, columns: [name] })

const joined = (columns: readonly string[]): InputColumn => ({
  modality: 'text',
  name: columns.join(','),
  columns,
})

/**
 * The columns that hold the texts: those asked for, else the first of `TEXT_COLUMNS`, else the only one.
 * @throws EspalierError `invalid_data` listing the columns that there are
 */
export function pickTextColumn(
  source: DataSource,
  row: DataRow,
  { textColumn, onNote }: AskedColumns & Pick<RowOptions, 'onNote'>,
): InputColumn {
  if (textColumn === undefined && row.columns.length === 1) return joined([row.columns[0]!])
  if (textColumn !== undefined) {
    // A column may have a comma in its name.
    const isOne = row.columns.includes(textColumn)
    const names = isOne ? [textColumn] : splitNames(textColumn)
    return joined(names.map((name) => pickColumn(source, row, 'text', name, [])))
  }
  const [first, ...others] = findColumns(row, TEXT_COLUMNS)
  if (first !== undefined && others.length > 0) {
    const also = listNames(others)
    onNote?.(
      say`${source.name}: texts are those of "${first}"; where ${also} ${others.length === 1 ? 'is' : 'are'} meant, or both joined, pass ${option('text-column')}`,
    )
  }
  return joined([pickColumn(source, row, 'text', undefined, TEXT_COLUMNS)])
}

/** Names separated by commas. */
export function splitNames(names: string): string[] {
  return [...new Set(names.split(',').map((name) => name.trim()))].filter((name) => name !== '')
}

/** The first of `TEXT_COLUMNS` that a row has. */
export function findTextColumn(row: DataRow): string | undefined {
  return findColumns(row, TEXT_COLUMNS)[0]
}

/** Columns of a row with one of these names, in the order of the names. */
export function findColumns(row: DataRow, names: readonly string[]): string[] {
  return names.flatMap((name) => row.columns.filter((column) => column.toLowerCase() === name))
}

/**
 * A column by its name, else the first with a usual one.
 * @throws EspalierError `invalid_data` listing the columns that there are
 */
export function pickColumn(
  source: DataSource,
  row: DataRow,
  role: 'text' | 'label' | 'image' | 'group' | 'time',
  asked: string | undefined,
  defaults: readonly string[],
): string {
  if (asked !== undefined) {
    if (row.columns.includes(asked)) return asked
    throw dataError(source.name, null, `no column "${asked}"; the columns are ${listColumns(row)}`)
  }
  const [found] = findColumns(row, defaults)
  if (found !== undefined) return found
  const named = row.columns.some((column, i) => column !== String(i + 1))
  const headed = named && ['csv', 'tsv', 'xlsx'].includes(source.format)
  const orNoHeader = headed
    ? say` (or pass ${option('no-header')} where the first row is data)`
    : ''
  const several = role === 'text' ? ', or several separated by commas' : ''
  throw dataError(
    source.name,
    null,
    say`which column is the ${role}? Pass ${option(`${role}-column`)}${several}; the columns are ${listColumns(row)}${orNoHeader}`,
  )
}

const MAX_LISTED = 20
const MAX_NAME_LENGTH = 40

/** Columns as messages list them. */
export function listColumns(row: DataRow): string {
  return listNames(row.columns)
}

/** Names in quotes, the first of many. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, MAX_LISTED).map((name) => {
    return `"${name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name}"`
  })
  const rest = names.length - shown.length
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ')
}
