import type { Wording } from '../lib/wording.ts'

/** The row formats that we read. `txt` is one text a line. */
export const DATA_FORMATS = ['csv', 'tsv', 'jsonl', 'txt', 'parquet', 'xlsx'] as const
export type DataFormat = (typeof DATA_FORMATS)[number]

/** Where rows come from: a file, or a stream that can be read once. */
export interface DataSource {
  /** What messages call it: the path as the user wrote it, or `stdin`. */
  readonly name: string
  /** `folder`: the rows are the images below it. */
  readonly format: DataFormat | 'folder'
  /** True where `open` may be called again, for a counting pass before the work. */
  readonly repeatable: boolean
  open(signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** For an object on S3: where it lies, and which version of it was read last. */
  readonly object?: (() => { readonly url: string; readonly versionId?: string }) | undefined
  /** Where the same bytes lie as a file here. */
  readonly path?: string | undefined
  /** Where paths of images start; absent where there is no such place, as on stdin. */
  readonly folder?: string | undefined
  /** Rows that are not parsed from bytes. */
  readonly rows?:
    | ((options: Pick<RowOptions, 'signal' | 'onSkip'>) => AsyncIterable<DataRow>)
    | undefined
}

/** A file that became no row or no example. */
export interface SkippedFile {
  readonly reason: 'not_images' | 'unreadable_images'
  readonly path: string
  readonly why: string
}

/** Bounds on one row, so that a file of any size is read in bounded memory. */
export interface RowLimits {
  /** @default 1 MiB */
  readonly maxFieldBytes: number
  /** @default 4 MiB */
  readonly maxRowBytes: number
}

export const DEFAULT_ROW_LIMITS: RowLimits = { maxFieldBytes: 1 << 20, maxRowBytes: 4 << 20 }

/** One row: where it starts, and its cells by column name. CSV, TSV and text cells are strings. */
export interface DataRow {
  /** Line on which the row starts, from 1. */
  readonly line: number
  /** What messages call it instead: the path of a folder's file. */
  readonly place?: string | undefined
  /** The header's columns, or the keys of the first JSON object. */
  readonly columns: readonly string[]
  readonly cells: Readonly<Record<string, unknown>>
}

/** How rows are read. */
export interface RowOptions {
  /** False where CSV or TSV has no header row: columns are then named `1`, `2`, … @default true */
  readonly header?: boolean | undefined
  /** What separates the fields of CSV or TSV. @default told from the first rows */
  readonly delimiter?: string | undefined
  /** Of files of text. @default told from the bytes */
  readonly encoding?: string | undefined
  /** A workbook's sheet by its name or number. @default the first */
  readonly sheet?: string | undefined
  /** Called with what was taken for granted while reading; the same may come with every reading of a source. */
  readonly onNote?: ((note: Wording) => void) | undefined
  readonly limits?: Partial<RowLimits> | undefined
  readonly signal?: AbortSignal | undefined
  /** Called for each file of a folder that is no image. */
  readonly onSkip?: ((file: SkippedFile) => void) | undefined
}

/** A record of CSV or TSV before its values have names. */
export interface DelimitedRecord {
  readonly line: number
  readonly values: readonly string[]
}
