import { createHash } from 'node:crypto'
import type { EspalierError } from '../lib/errors.ts'
import { isBlank } from '../lib/text/text.ts'
import { type AskedColumns, type InputColumn, pickColumn, pickInputColumn } from './columns.ts'
import { dataError, formatBytes } from './data-error.ts'
import {
  assembleExamples,
  countSkippedFiles,
  type ExampleOptions,
  identityOf,
  type LabelledExample,
  type LabelledRow,
} from './examples.ts'
import { hashImages, openImagesOf, placeOf } from './image-rows.ts'
import {
  type AskedLabels,
  isMissing,
  type LabelPlace,
  pickLabelPlace,
  readLabels,
  SAMPLED_ROWS,
} from './label-columns.ts'
import { readRows, withFirst } from './rows.ts'
import { type DatasetWarning, WarningCounter } from './summary.ts'
import { readInput } from './texts.ts'
import { createTimeReader, type TimeColumn, type TimeReader } from './times.ts'
import type { DataRow, DataSource, RowOptions, SkippedFile } from './types.ts'

/** How labelled rows are read. */
export interface LabelledOptions extends RowOptions, ExampleOptions, AskedColumns, AskedLabels {
  /** @default 5,000,000 */
  readonly maxRows?: number | undefined
  /** All texts together, in UTF-16 code units. @default 1 GiB */
  readonly maxTextLength?: number | undefined
  /** Rows with the same value here stay on one side of every split. */
  readonly groupColumn?: string | undefined
  /** When rows are of: ISO 8601, Unix seconds or milliseconds, or numbers. */
  readonly timeColumn?: string | undefined
  /** Largest file of an image. @default 10 MiB */
  readonly maxImageBytes?: number | undefined
  readonly onProgress?: ((rows: number) => void) | undefined
}

/** What was read, and what a user should know about it. */
export interface DatasetSummary {
  readonly source: string
  /** Absent where the inputs are texts. */
  readonly modality?: 'image' | undefined
  /** The column of the texts, or of the images' paths. */
  readonly textColumn: string
  /** The columns whose texts are joined; absent where there is one. */
  readonly joinedColumns?: readonly string[] | undefined
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
  readonly modality: 'text' | 'image'
  /** The column of times where one was asked for. */
  readonly times?: TimeColumn | undefined
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
  const skipped = countSkippedFiles()
  const onSkip = ({ reason, path, why }: SkippedFile) => skipped[reason].add(`${path}: ${why}`)
  const missing = new WarningCounter()
  let columns: Places | null = null
  let length = 0
  const read = readRows(source, { ...options, onSkip })
  for await (const { row, first } of withFirst(read, SAMPLED_ROWS)) {
    columns ??= findPlaces(source, first, options)
    const text = readInput(source.name, row, columns.input)
    length += text.length
    if (rows.length >= maxRows) {
      throw dataError(source.name, row.line, `more than ${maxRows} rows; train on a sample`)
    }
    if (length > maxTextLength) {
      const limit = formatBytes(maxTextLength)
      throw dataError(source.name, row.line, `more than ${limit} of text; train on a sample`)
    }
    const label = readLabels(source.name, row, columns.label)
    for (const value of cellsOf(row, columns)) {
      if (isMissing(value)) missing.add(`${placeOf(row)}: ${JSON.stringify(value)}`)
    }
    const group = readGroup(row, columns.group)
    const time = columns.time?.reader.read(row)
    rows.push({ line: row.line, place: row.place, text, label, group, time })
    if (rows.length % PROGRESS_ROWS === 0) options.onProgress?.(rows.length)
  }
  if (columns === null) throw noRows(source)
  const { modality, name: inputColumn, columns: inputColumns } = columns.input
  if (source.format === 'folder' && rows.every(({ label }) => label === '')) {
    const fix = 'put them into a folder for each label'
    throw dataError(source.name, null, `the images lie in no folder of their own; ${fix}`)
  }
  const readable = modality === 'text' ? rows : await readImages(source, rows, onSkip, options)
  const { each, name: labelColumn } = columns.label
  const { examples, classCounts, multiLabel, warnings } = assembleExamples(
    source.name,
    labelColumn,
    readable,
    each === null ? options : { ...options, multiLabel: true },
    { ...skipped, missing_values: missing },
  )
  return {
    examples,
    classes: [...classCounts.keys()],
    multiLabel,
    modality,
    ...(columns.time && { times: { name: columns.time.name, kind: columns.time.reader.kind() } }),
    summary: {
      source: source.name,
      ...(modality === 'image' && { modality }),
      textColumn: inputColumn,
      ...(inputColumns.length > 1 && { joinedColumns: inputColumns }),
      labelColumn,
      multiLabel,
      rows: rows.length,
      examples: examples.length,
      classCounts: [...classCounts].map(([label, count]) => ({ label, count })),
      warnings,
      sha256: hashExamples(examples),
    },
  }
}

/** The error for a source without rows. */
export function noRows({ name, format }: DataSource, action = ''): EspalierError {
  if (format !== 'folder') return dataError(name, null, `no rows${action}`)
  return dataError(name, null, 'no JPEG, PNG or WebP file in this folder; for texts, name a file')
}

function readImages(
  source: DataSource,
  rows: readonly LabelledRow[],
  onSkip: (file: SkippedFile) => void,
  { maxImageBytes, signal }: LabelledOptions,
) {
  const named = rows.filter(({ text }) => !isBlank(text))
  return hashImages(openImagesOf(source, maxImageBytes), named, onSkip, signal)
}

interface Places {
  readonly input: InputColumn
  readonly label: LabelPlace
  readonly group: string | undefined
  readonly time: { readonly name: string; readonly reader: TimeReader } | undefined
}

/** Where inputs, labels, groups and times are. */
function findPlaces(
  source: DataSource,
  first: readonly DataRow[],
  options: LabelledOptions,
): Places {
  const input = pickInputColumn(source, first[0]!, options)
  const { groupColumn, timeColumn } = options
  const group = groupColumn && pickColumn(source, first[0]!, 'group', groupColumn, [])
  const name = timeColumn && pickColumn(source, first[0]!, 'time', timeColumn, [])
  const time = name ? { name, reader: createTimeReader(source.name, name) } : undefined
  return { input, label: pickLabelPlace(source, first, options, input.columns), group, time }
}

/** The group of a row; none where the cell is empty. */
function readGroup({ cells }: DataRow, column: string | undefined): string | undefined {
  if (column === undefined) return undefined
  const value = cells[column]
  const text = typeof value === 'string' ? value : JSON.stringify(value ?? '')
  return isBlank(text) || text === '""' ? undefined : text.trim()
}

/** The cells of a row that are read and hold a string. */
function cellsOf(
  { cells }: DataRow,
  { input, label }: { readonly input: InputColumn; readonly label: LabelPlace },
): string[] {
  return [...input.columns, ...(label.each ?? [label.name])].flatMap((column) => {
    const value = cells[column]
    return typeof value === 'string' ? [value] : []
  })
}

function hashExamples(examples: readonly LabelledExample[]): string {
  const hash = createHash('sha256')
  for (const { text, labels, image } of examples) {
    const input = image === undefined ? text : identityOf({ text, image })
    hash.update(`${JSON.stringify([input, labels])}\n`)
  }
  return hash.digest('hex')
}
