import { option, say } from '../lib/wording.ts'
import { findColumns, LABEL_COLUMNS, listNames, pickColumn } from './columns.ts'
import { dataError } from './data-error.ts'
import type { DataRow, DataSource } from './types.ts'

/** Where the labels of a row are: in one column, or in a column each with 1 for every row that has the label. */
export interface LabelPlace {
  /** As messages and reports say it. */
  readonly name: string
  /** Null where one column has them. */
  readonly each: readonly string[] | null
}

/** The columns of labels that a user named. */
export interface AskedLabels {
  /** @default the only one of `LABEL_COLUMNS` */
  readonly labelColumn?: string | undefined
  /** A column for each label. */
  readonly labelColumns?: readonly string[] | undefined
}

/** Rows that are looked at to tell columns of 0 and 1. */
export const SAMPLED_ROWS = 50
const MAX_NAMED = 12

const YES: ReadonlySet<string> = new Set(['1', '1.0', 'true', 'yes', 'y', 't', 'x'])
const NO: ReadonlySet<string> = new Set(['0', '0.0', 'false', 'no', 'n', 'f', ''])
/** What programs write where there is no value. */
const MISSING = /^(?:#?N\/A|n\/a|NA|<NA>|-?nan|NaN|NAN|null|Null|NULL|None|NaT|\\N)$/

/**
 * Where the labels are.
 * @param first the first rows, one at least
 * @param inputs columns that are inputs
 * @throws EspalierError `invalid_data` where it is not clear, naming what could be meant
 */
export function pickLabelPlace(
  source: DataSource,
  first: readonly DataRow[],
  { labelColumn, labelColumns }: AskedLabels,
  inputs: readonly string[] = [],
): LabelPlace {
  const row = first[0]!
  const pick = (name: string | undefined) => pickColumn(source, row, 'label', name, LABEL_COLUMNS)
  if (labelColumns !== undefined) {
    const each = labelColumns.map(pick)
    return { name: each.join(','), each }
  }
  if (labelColumn !== undefined) return { name: pick(labelColumn), each: null }
  const found = findLabelPlace(source, row, inputs)
  if (found !== null) return found
  const flags = findFlags(first, inputs)
  if (flags.length < 2) return { name: pick(undefined), each: null }
  const named = flags.length > MAX_NAMED ? [...flags.slice(0, MAX_NAMED), '…'] : flags
  throw dataError(
    source.name,
    null,
    say`which column is the label? ${listNames(flags)} hold 0 and 1 alone: where each is a label, pass ${option('label-columns', quoteNames(named))}; else ${option('label-column')}`,
  )
}

/**
 * The column with a usual name of labels; null where there is none.
 * @throws EspalierError `invalid_data` where there are several
 */
export function findLabelPlace(
  source: DataSource,
  row: DataRow,
  inputs: readonly string[] = [],
): LabelPlace | null {
  const found = findColumns(row, LABEL_COLUMNS).filter((name) => !inputs.includes(name))
  if (found.length < 2) return found[0] === undefined ? null : { name: found[0], each: null }
  const choices = found.flatMap((name, at) => [
    ...(at > 0 ? [at === found.length - 1 ? ' or ' : ', '] : []),
    option('label-column', quoteNames([name])),
  ])
  throw dataError(source.name, null, [
    `which column is the label? The file has ${listNames(found)}: pass `,
    ...choices,
  ])
}

/** Columns whose cells are 0 or 1, or words for them, in every row that is looked at. */
function findFlags(rows: readonly DataRow[], inputs: readonly string[]): string[] {
  return rows[0]!.columns.filter((name) => {
    if (inputs.includes(name) || name.toLowerCase() === 'id') return false
    const cells = rows.map((row) => row.cells[name])
    const isFilled = cells.some((cell) => String(cell ?? '').trim() !== '')
    return isFilled && cells.every((cell) => readFlag(cell) !== null)
  })
}

/** Whether a cell says yes; null where it says neither. No value is no. */
function readFlag(value: unknown): boolean | null {
  if (value === null || value === undefined) return false
  if (typeof value === 'boolean') return value
  const given = String(value).trim()
  const word = given.toLowerCase()
  if (YES.has(word)) return true
  return NO.has(word) || isMissing(given) ? false : null
}

/** True for what programs write where there is no value: `nan`, `N/A`, `null`, … */
export function isMissing(text: string): boolean {
  return MISSING.test(text.trim())
}

/**
 * The labels of a row: a string, or a list where the row has one or where each label has a column.
 * @throws EspalierError `invalid_data` where the cell is neither
 */
export function readLabels(
  name: string,
  row: DataRow,
  { name: column, each }: LabelPlace,
): string | readonly string[] {
  if (each !== null) {
    return each.filter((label) => {
      const value = row.cells[label]
      const flag = readFlag(value)
      if (flag !== null) return flag
      const shown = JSON.stringify(String(value).slice(0, 40))
      const why = `"${label}" is ${shown}; a column of a label holds 0 or 1`
      throw dataError(name, row.line, why)
    })
  }
  const value = row.cells[column]
  if (typeof value === 'string') return value
  if (value === undefined) throw dataError(name, row.line, `there is no "${column}"`)
  if (Array.isArray(value)) return value.map((item) => readScalar(name, row, column, item))
  return readScalar(name, row, column, value)
}

function readScalar(name: string, row: DataRow, column: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value === null) return ''
  throw dataError(
    name,
    row.line,
    `the label ("${column}") is neither a string, a number nor a list of them`,
  )
}

/** Names as an argument: quoted where a shell would take them apart. */
function quoteNames(names: readonly string[]): string {
  const joined = names.join(',')
  return /^[\w.,:@%+/-]+$/u.test(joined) ? joined : `"${joined}"`
}
