import { isBlank } from '../lib/text/text.ts'
import { option, say } from '../lib/wording.ts'
import { type AskedColumns, type InputColumn, pickInputColumn } from './columns.ts'
import { dataError } from './data-error.ts'
import type { ImageFile, ImageFolder } from './image-file.ts'
import { openImagesOf } from './image-rows.ts'
import { readRows } from './rows.ts'
import type { DataRow, DataSource, RowOptions } from './types.ts'

/** How inputs are read from rows. */
export interface TextOptions extends RowOptions, AskedColumns {
  /** Leave out rows with an empty text; otherwise they are an error. @default false */
  readonly skipEmpty?: boolean | undefined
  /** Largest file of an image. @default 10 MiB */
  readonly maxImageBytes?: number | undefined
}

/** An input and the row it comes from. */
export interface TextRow {
  /** Number of the data row, from 0; rows left out are counted too. */
  readonly index: number
  /** The text, or the path of the image. */
  readonly text: string
  /** Where the input is an image. */
  readonly image?: ImageFile | undefined
  readonly row: DataRow
}

/**
 * Streams the inputs of a source.
 * @throws EspalierError `invalid_data` for a missing column, an empty text, a text that is not a string, a path
 * that leaves the source's folder
 */
export async function* readTexts(
  source: DataSource,
  options: TextOptions = {},
): AsyncGenerator<TextRow> {
  let input: InputColumn | null = null
  let images: ImageFolder | null = null
  let index = -1
  for await (const row of readRows(source, options)) {
    index++
    if (input === null) {
      input = pickInputColumn(source, row, options)
      if (input.modality === 'image') images = openImagesOf(source, options.maxImageBytes)
    }
    const text = readInput(source.name, row, input)
    if (!isBlank(text)) {
      yield images === null
        ? { index, text, row }
        : { index, text, row, image: images.find(text, row.line) }
    } else if (options.skipEmpty !== true) {
      const fix = say`fill it in, or pass ${option('skip-empty')} to leave such rows out`
      throw dataError(source.name, row.line, say`the text ("${input.name}") is empty; ${fix}`)
    }
  }
}

/** What the inputs of a source are; read from its first row where it can be read again. */
export async function findModality(
  source: DataSource,
  options: TextOptions = {},
): Promise<'text' | 'image'> {
  if (source.format === 'folder' || options.imageColumn !== undefined) return 'image'
  if (!source.repeatable || options.textColumn !== undefined) return 'text'
  for await (const row of readRows(source, options)) {
    return pickInputColumn(source, row, options).modality
  }
  return 'text'
}

/** What stands between the texts of several columns. */
export const TEXT_JOINT = '\n'

/**
 * The input of a row: the text of its column, or those of several that are not empty, joined by `TEXT_JOINT`.
 * @throws EspalierError `invalid_data` where a cell is no string; beside others it may be a number
 */
export function readInput(name: string, row: DataRow, { columns }: InputColumn): string {
  const [only, ...more] = columns
  if (more.length === 0) return readTextCell(name, row, only!)
  const parts = columns.map((column) => {
    const value = row.cells[column]
    const isScalar = typeof value === 'number' || typeof value === 'boolean'
    return isScalar ? String(value) : readTextCell(name, row, column)
  })
  return parts.filter((part) => !isBlank(part)).join(TEXT_JOINT)
}

/**
 * The text of a row; null and a missing key read as empty where other rows have the column.
 * @throws EspalierError `invalid_data` where the cell is no string
 */
function readTextCell(name: string, row: DataRow, column: string): string {
  const value = row.cells[column]
  if (typeof value === 'string') return value
  if (value === null) return ''
  if (value === undefined) throw dataError(name, row.line, `there is no "${column}"`)
  const kind = Array.isArray(value)
    ? 'a list'
    : `a${typeof value === 'object' ? 'n' : ''} ${typeof value}`
  throw dataError(name, row.line, `the text ("${column}") is ${kind}, not a string`)
}
