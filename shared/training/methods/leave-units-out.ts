import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { factorCholesky, solveLower, solveLowerTransposed } from '../numerics/cholesky.ts'

/** Larger units cost too much; their rows are scored by the shares of the classes among the others. */
const MOST_ROWS = 256
/** Keeps a unit that the fit hangs on entirely from dividing by zero. */
const LEAST_REST = 1e-9

/** A ridge regression on all rows, as leave-out scores need it. */
export interface FittedRidge {
  /** Centred principal coordinates, shape [rows, columns]. */
  readonly rows: Matrix
  /** One over energy and penalty of each column. */
  readonly inverse: Float64Array
  readonly targets: Matrix
  /** Targets less fitted values, shape [rows, classes]. */
  readonly residuals: Float64Array
}

/**
 * Replaces the scores of rows that stay together by those of a fit without all of them: t - (I - H)⁻¹ (t - f), with the
 * block H of the hat matrix that belongs to them (leave-group-out; Christensen, Pearson and Johnson, "Case-deletion
 * diagnostics for mixed models", 1992, for the block form).
 * @param scores shape [rows, classes]: those of a fit without the row alone
 * @param together shape [rows]: the number of what a row stays together with, -1 for rows that stand alone
 */
export function leaveUnitsOut(scores: Float64Array, fit: FittedRidge, together: Int32Array): void {
  for (const members of unitsOf(together)) {
    if (members.length > MOST_ROWS) scoreByShares(scores, fit.targets, members)
    else scoreWithout(scores, fit, members)
  }
}

/** Rows of each unit of two or more. */
function unitsOf(together: Int32Array): number[][] {
  const units = new Map<number, number[]>()
  for (const [row, unit] of together.entries()) {
    if (unit < 0) continue
    const known = units.get(unit)
    if (known === undefined) units.set(unit, [row])
    else known.push(row)
  }
  return [...units.values()].filter(({ length }) => length > 1)
}

function scoreWithout(
  scores: Float64Array,
  { rows: { data: x, rows: n, columns: d }, inverse, targets, residuals }: FittedRidge,
  members: readonly number[],
): void {
  const size = members.length
  const classes = targets.columns
  const rest = new Float64Array(size * size)
  for (const [i, a] of members.entries()) {
    for (let j = 0; j <= i; j++) {
      const b = members[j]!
      let shared = 1 / n
      for (let k = 0; k < d; k++) shared += x[a * d + k]! * x[b * d + k]! * inverse[k]!
      rest[i * size + j] = i === j ? Math.max(1 - shared, LEAST_REST) : -shared
      rest[j * size + i] = rest[i * size + j]!
    }
  }
  const errors = new Float64Array(size * classes)
  for (const [i, row] of members.entries()) {
    errors.set(residuals.subarray(row * classes, (row + 1) * classes), i * classes)
  }
  const factor = tryFactor(rest, size)
  if (factor === null) {
    scoreByShares(scores, targets, members)
    return
  }
  solveLower(factor, errors, classes)
  solveLowerTransposed(factor, errors, classes)
  for (const [i, row] of members.entries()) {
    for (let c = 0; c < classes; c++) {
      const at = row * classes + c
      scores[at] = targets.data[at]! - errors[i * classes + c]!
    }
  }
}

/** Null where rounding leaves nothing of the fit without these rows. */
function tryFactor(matrix: Float64Array, size: number): Float64Array | null {
  try {
    return factorCholesky(matrix, size)
  } catch {
    return null
  }
}

function scoreByShares(
  scores: Float64Array,
  { data, rows, columns }: Matrix,
  members: readonly number[],
): void {
  const own = new Set(members)
  const shares = new Float64Array(columns)
  for (let row = 0; row < rows; row++) {
    if (own.has(row)) continue
    for (let c = 0; c < columns; c++) shares[c] = shares[c]! + data[row * columns + c]!
  }
  for (const row of members) {
    for (let c = 0; c < columns; c++) {
      scores[row * columns + c] = shares[c]! / Math.max(1, rows - members.length)
    }
  }
}
