import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { Compressors, FileMetaData } from 'hyparquet'
import { EspalierError } from '../../lib/errors.ts'
import { dataError, findLongField, formatBytes } from '../data-error.ts'
import type { DataRow, DataSource, RowLimits } from '../types.ts'
import type { OnBadRow } from './delimited.ts'
import { openRandomAccess, type RandomAccess } from './random-access.ts'

/** Rows that are decoded at a time, where they take no more memory than `SLICE_BYTES`. */
const SLICE_ROWS = 16_384
const SLICE_BYTES = 64 << 20
/** The packed bytes of one column of a row group are in memory at once. */
const MAX_CHUNK_BYTES = 1 << 30

/**
 * Streams the rows of a Parquet file, some of a row group at a time, its lists as a whole; the line of a row is its
 * number, from 1.
 * Dates are written as ISO 8601, whole numbers beyond 2^53 as texts, no value and NaN as null.
 * @throws EspalierError `invalid_data` where it is none, is damaged, or packs too much into one row group
 */
export async function* readParquet(
  source: DataSource,
  limits: RowLimits,
  signal: AbortSignal | undefined,
  onBad?: OnBadRow,
): AsyncGenerator<DataRow> {
  const access = await openRandomAccess(source, signal)
  try {
    const reader = await openParquet(source.name, access)
    const { columns, nested, flat } = reader
    let line = 0
    for (const group of groupsOf(source.name, reader.metadata)) {
      const lists = nested.length > 0 ? await reader.read(group, nested) : []
      for (const slice of slicesOf(group)) {
        signal?.throwIfAborted()
        const rows = flat.length > 0 ? await reader.read(slice, flat) : []
        for (let at = slice.start; at < slice.end; at++) {
          line++
          const given = { ...rows[at - slice.start], ...lists[at - group.start] }
          const cells: Record<string, unknown> = Object.create(null)
          for (const column of columns) cells[column] = toCell(given[column])
          const fault = findFault(cells, limits)
          if (fault === null) yield { line, columns, cells }
          else if (onBad === undefined) throw dataError(source.name, line, fault)
          else onBad(line, fault)
        }
      }
    }
  } finally {
    await access.close()
  }
}

/** Rows from `start` up to `end`, counted from 0. */
interface Slice {
  readonly start: number
  readonly end: number
}

interface RowGroupSlice extends Slice {
  /** Rows that are decoded at a time. */
  readonly step: number
}

async function openParquet(name: string, access: RandomAccess) {
  const [parquet, packed] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ])
  const { decompressLz4, decompressLz4Raw, decompressZstd } = packed
  const compressors: Compressors = {
    GZIP: (input, maxOutputLength) => gunzipSync(input, { maxOutputLength }),
    BROTLI: (input, maxOutputLength) => brotliDecompressSync(input, { maxOutputLength }),
    ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
    LZ4: decompressLz4,
    LZ4_RAW: decompressLz4Raw,
  }
  const guarded = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action()
    } catch (cause) {
      if (cause instanceof EspalierError) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      throw dataError(name, null, `this Parquet file cannot be read: ${why}`, cause)
    }
  }
  const file = {
    byteLength: access.byteLength,
    slice: (start: number, end: number = access.byteLength) =>
      access.read(start < 0 ? Math.max(0, access.byteLength + start) : start, end),
  }
  return guarded(async () => {
    const metadata = await parquet.parquetMetadataAsync(file, { geoparquet: false })
    const { children } = parquet.parquetSchema(metadata)
    const columns = children.map(({ element }) => element.name)
    // Pages of lists do not tell their rows: a part of them is found by decoding all that comes before.
    const nested = children
      .filter((child) => child.children.length > 0 || child.element.repetition_type === 'REPEATED')
      .map(({ element }) => element.name)
    return {
      metadata,
      columns,
      nested,
      flat: columns.filter((name) => !nested.includes(name)),
      read: ({ start, end }: Slice, wanted: string[]) =>
        guarded(() =>
          parquet.parquetReadObjects({
            ...{ file, metadata, compressors, columns: wanted, rowStart: start, rowEnd: end },
            useOffsetIndex: true,
            geoparquet: false,
          }),
        ),
    }
  })
}

function* groupsOf(name: string, { row_groups: groups }: FileMetaData): Generator<RowGroupSlice> {
  let first = 0
  for (const { num_rows, total_byte_size, columns } of groups) {
    const rows = Number(num_rows)
    for (const { meta_data } of columns) {
      const bytes = Number(meta_data?.total_compressed_size ?? 0)
      if (bytes <= MAX_CHUNK_BYTES) continue
      const limit = `a row group has a column of more than ${formatBytes(MAX_CHUNK_BYTES)}`
      throw dataError(name, null, `${limit}; write the file with smaller row groups`)
    }
    const share = Math.ceil(Number(total_byte_size) / SLICE_BYTES) || 1
    const step = Math.max(1, Math.min(SLICE_ROWS, Math.ceil(rows / share)))
    yield { start: first, end: first + rows, step }
    first += rows
  }
}

function* slicesOf({ start, end, step }: RowGroupSlice): Generator<Slice> {
  for (let at = start; at < end; at += step) yield { start: at, end: Math.min(end, at + step) }
}

/** A value as the readers of rows take it. */
function toCell(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : String(value)
  }
  if (typeof value === 'number') return Number.isNaN(value) ? null : value
  if (value instanceof Date) return toIsoDate(value)
  if (Array.isArray(value)) return value.map(toCell)
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
    ? Array.from(value as unknown as ArrayLike<unknown>, toCell)
    : value
}

/** `2024-02-29`, with the time where it is not midnight. */
export function toIsoDate(date: Date): string {
  if (Number.isNaN(date.getTime())) return ''
  const [day, time] = date.toISOString().split('T')
  return time === '00:00:00.000Z' ? day! : date.toISOString()
}

function findFault(cells: Readonly<Record<string, unknown>>, limits: RowLimits): string | null {
  for (const [column, value] of Object.entries(cells)) {
    const long = typeof value === 'string' ? findLongField(column, value, limits) : null
    if (long !== null) return long
  }
  return null
}
