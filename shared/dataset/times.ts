import { dataError } from './data-error.ts'
import { placeOf } from './image-rows.ts'
import type { DataRow } from './types.ts'

/** What the cells of a column of times are; `number` has an order and no calendar. */
export type TimeKind = 'date' | 'seconds' | 'milliseconds' | 'number'

/** A column of times as it was read. */
export interface TimeColumn {
  readonly name: string
  readonly kind: TimeKind
}

/** Reads the cells of one column of times, row by row. */
export interface TimeReader {
  /**
   * The place of a row in time: milliseconds of dates, numbers as they are.
   * @throws EspalierError `invalid_data` naming line and value
   */
  read(row: DataRow): number
  /** What all cells read are. */
  kind(): TimeKind
}

const ISO =
  /^(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?[ ]?(Z|[+-]\d\d(?::?\d\d)?)?)?)?$/i
const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i
/** Unix times of 1973 to 2286 in seconds, and of 1973 to 5138 in milliseconds. */
const SECONDS = [1e8, 1e10] as const
const MILLISECONDS = [1e11, 1e14] as const
const FORMS =
  'write ISO 8601 (2026-01-31, 2026-01-31T09:30:00Z), Unix seconds or milliseconds, or numbers'
const MAX_SHOWN = 40

/** A reader of the column; `source` is what messages call the file. */
export function createTimeReader(source: string, column: string): TimeReader {
  const seen = new Map<TimeKind, { readonly place: string; readonly shown: string }>()
  return {
    read(row) {
      const cell = row.cells[column]
      const shown = JSON.stringify(String(cell ?? '').slice(0, MAX_SHOWN))
      const refuse = (why: string) => dataError(source, row.line, `"${column}" is ${shown}${why}`)
      const time = readTime(cell)
      if (time === null) throw refuse(`, which is no time; ${FORMS}`)
      const { value, kind } = time
      if (!seen.has(kind)) {
        for (const other of seen.keys()) {
          if (!areMixed(kind, other)) continue
          const { place, shown: first } = seen.get(other)!
          const nouns = `${NOUNS[kind]}, and ${place} has ${NOUNS[other]}, ${first}`
          throw refuse(`, ${nouns}: one column holds one kind of times`)
        }
        seen.set(kind, { place: placeOf(row), shown })
      }
      return value
    },
    kind() {
      const [only = 'number', ...others] = seen.keys()
      return others.length === 0 ? only : 'number'
    },
  }
}

/** A time for people; dates and Unix times in UTC. */
export function formatTime(value: number, kind: TimeKind): string {
  if (kind === 'number') return String(value)
  const date = new Date(kind === 'seconds' ? value * 1000 : value)
  const [day, rest] = date.toISOString().split('T')
  return rest === '00:00:00.000Z' ? day! : `${day}T${rest!.replace('.000Z', 'Z')}`
}

/** Gives rows of one key the latest time of all. */
export function takeLatest<Row extends { readonly time?: number | undefined }>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): readonly Row[] {
  if (rows.every(({ time }) => time === undefined)) return rows
  const latest = new Map<string, number>()
  for (const row of rows) {
    const key = keyOf(row)
    latest.set(key, Math.max(row.time!, latest.get(key) ?? Number.NEGATIVE_INFINITY))
  }
  return rows.map((row) => ({ ...row, time: latest.get(keyOf(row))! }))
}

const NOUNS: Readonly<Record<TimeKind, string>> = {
  date: 'a date',
  seconds: 'a number like Unix seconds',
  milliseconds: 'a number like Unix milliseconds',
  number: 'a number',
}

/** Numbers of any size are one kind, but seconds beside milliseconds would be far apart. */
function areMixed(a: TimeKind, b: TimeKind): boolean {
  if (a === 'date' || b === 'date') return a !== b
  return a !== 'number' && b !== 'number' && a !== b
}

/** Null for what is neither a date nor a number. */
function readTime(cell: unknown): { readonly value: number; readonly kind: TimeKind } | null {
  if (typeof cell !== 'string' && typeof cell !== 'number' && typeof cell !== 'bigint') return null
  const text = String(cell).trim()
  if (NUMBER.test(text)) {
    const value = Number(text)
    return Number.isFinite(value) ? { value, kind: kindOf(value) } : null
  }
  const value = readIso(text)
  return value === null ? null : { value, kind: 'date' }
}

function kindOf(value: number): TimeKind {
  const isIn = ([low, high]: readonly [number, number]) => value >= low && value < high
  if (isIn(SECONDS)) return 'seconds'
  return isIn(MILLISECONDS) ? 'milliseconds' : 'number'
}

/** Milliseconds since 1970; without an offset in UTC. Null for a day or hour that there is not. */
function readIso(text: string): number | null {
  const found = ISO.exec(text)
  if (found === null) return null
  const [, year, month, day = '1', hour = '0', minute = '0', second = '0', fraction, offset] = found
  const parts = [month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(0)
  date.setUTCFullYear(Number(year), parts[0] - 1, parts[1])
  if (date.getUTCMonth() !== parts[0] - 1 || date.getUTCDate() !== parts[1]) return null
  if (parts[2] > 23 || parts[3] > 59 || parts[4] > 59) return null
  const ofDay = ((parts[2] * 60 + parts[3]) * 60 + parts[4]) * 1000
  const part = fraction === undefined ? 0 : Number(`0.${fraction}`) * 1000
  return date.getTime() + ofDay + part - readOffset(offset)
}

function readOffset(offset: string | undefined): number {
  if (offset === undefined || offset.toUpperCase() === 'Z') return 0
  const digits = offset.slice(1).replace(':', '')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2) || '0')
  return (offset.startsWith('-') ? -1 : 1) * minutes * 60_000
}
