import type { Random } from '../../lib/maths/random.ts'
import { assignUnits } from './folds-of-units.ts'

/** Marks a row that is always trained on and never held out. */
export const NEVER_HELD_OUT = -1

/**
 * Assigns each row a fold, every class spread evenly over the folds. The only row of a class is never held
 * out: no classifier could name a class that it has not seen. Shape [rows], values -1 … folds - 1.
 * @param together shape [rows]: rows with the same number stay in one fold; -1 for those that stand alone
 */
export function assignFolds(
  groups: Int32Array,
  folds: number,
  random: Random,
  together?: Int32Array | undefined,
): Int32Array {
  if (together?.some((unit) => unit >= 0)) return assignUnits(groups, together, folds, random)
  const assigned = new Int32Array(groups.length).fill(NEVER_HELD_OUT)
  let next = 0
  for (const members of membersByGroup(groups)) {
    if (members.length < 2) continue
    random.shuffle(members)
    for (const row of members) assigned[row] = next++ % folds
  }
  return assigned
}

/** Rows of a stratified split. */
export interface Split {
  readonly train: Int32Array
  readonly test: Int32Array
}

/**
 * Splits rows so that each class gives about `testShare` of its rows to the test part and keeps at least
 * one row for training. Both parts are in ascending order.
 */
export function splitRows(groups: Int32Array, testShare: number, random: Random): Split {
  const isTest = new Uint8Array(groups.length)
  let owed = 0
  for (const members of membersByGroup(groups)) {
    random.shuffle(members)
    // Rounding is carried on, so that many small classes still give their share in sum.
    owed += members.length * testShare
    const count = Math.min(Math.round(owed), members.length - 1)
    owed -= count
    for (let i = 0; i < count; i++) isTest[members[i]!] = 1
  }
  return { train: rowsWhere(isTest, 0), test: rowsWhere(isTest, 1) }
}

/** A seeded stratified subset of at most `limit` rows, ascending; every class keeps at least one row. */
export function sampleRows(groups: Int32Array, limit: number, random: Random): Int32Array {
  if (groups.length <= limit) return Int32Array.from(groups, (_, row) => row)
  return splitRows(groups, 1 - limit / groups.length, random).train
}

function membersByGroup(groups: Int32Array): number[][] {
  const members: number[][] = []
  groups.forEach((group, row) => {
    members[group] ??= []
    members[group].push(row)
  })
  return members.filter((rows) => rows !== undefined)
}

function rowsWhere(marks: Uint8Array, wanted: number): Int32Array {
  const rows: number[] = []
  marks.forEach((mark, row) => {
    if (mark === wanted) rows.push(row)
  })
  return Int32Array.from(rows)
}
