import { createHash } from 'node:crypto'
import { isBlank } from '../lib/text/text.ts'
import { type AskedColumns, type InputColumn, pickInputColumn } from './columns.ts'
import { dataError, formatBytes } from './data-error.ts'
import type { HashedImage } from './image-file.ts'
import { hashImages, openImagesOf } from './image-rows.ts'
import { readLabels } from './label-columns.ts'
import { readRows } from './rows.ts'
import { readInput } from './texts.ts'
import type { DataSource, RowOptions, SkippedFile } from './types.ts'

/** Inputs of a target domain, with the labels that are known. */
export interface TargetRows {
  /** The texts; of images, their paths. */
  readonly texts: readonly string[]
  /** In the order of `texts`; null where they are texts. */
  readonly images: readonly HashedImage[] | null
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
  options: RowOptions &
    AskedColumns & {
      readonly labelColumn?: string | undefined
      readonly maxImageBytes?: number | undefined
    },
): Promise<TargetRows> {
  const { labelColumn } = options
  const rows: { text: string; label: string | null; line: number }[] = []
  let column: InputColumn | null = null
  let [empty, length] = [0, 0]
  for await (const row of readRows(source, options)) {
    if (column === null) {
      column = pickInputColumn(source, row, options)
      if (labelColumn !== undefined && !row.columns.includes(labelColumn)) {
        const has = row.columns.slice(0, 20).join(', ')
        throw dataError(source.name, null, `no column "${labelColumn}"; the columns are ${has}`)
      }
    }
    const text = readInput(source.name, row, column)
    if (isBlank(text)) {
      empty++
      continue
    }
    length += text.length
    if (rows.length === MAX_ROWS || length > MAX_TEXT_LENGTH) {
      const limit = `${MAX_ROWS} rows or ${formatBytes(MAX_TEXT_LENGTH)} of text`
      throw dataError(source.name, row.line, `more than ${limit}; adapt to a sample`)
    }
    const place = { name: labelColumn ?? '', each: null }
    const label = labelColumn === undefined ? '' : readLabels(source.name, row, place)
    if (typeof label !== 'string') {
      throw dataError(source.name, row.line, `"${labelColumn}" is a list; one label is expected`)
    }
    rows.push({ text, label: label.trim() || null, line: row.line })
  }
  const isImage = column?.modality === 'image'
  if (rows.length < 2) {
    const noun = isImage || source.format === 'folder' ? 'images' : 'texts'
    throw dataError(source.name, null, `a target needs two ${noun} at least`)
  }
  const hashed = isImage ? await readImages(source, rows, options) : null
  const hash = createHash('sha256')
  for (const input of hashed ?? rows) {
    hash.update(`${JSON.stringify('image' in input ? input.image.sha256 : input.text)}\n`)
  }
  return {
    texts: rows.map(({ text }) => text),
    images: hashed?.map(({ image }) => image) ?? null,
    labels: rows.map(({ label }) => label),
    empty,
    sha256: hash.digest('hex'),
  }
}

/** Reads the images; one that cannot be read is an error, since rows are known by their number. */
function readImages(
  source: DataSource,
  rows: readonly { readonly text: string; readonly line: number }[],
  { maxImageBytes, signal }: RowOptions & { readonly maxImageBytes?: number | undefined },
) {
  const refuse = ({ path, why }: SkippedFile) => {
    throw dataError(source.name, null, `${path}: ${why}; take it out`)
  }
  return hashImages(openImagesOf(source, maxImageBytes), rows, refuse, signal)
}
