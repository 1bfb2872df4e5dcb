/**
 * Lower Cholesky factor of a symmetric positive definite matrix, row-major [size, size].
 * @throws RangeError when the matrix is not positive definite
 */
export function factorCholesky(matrix: Float64Array, size: number): Float64Array {
  const lower = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    const rowI = i * size
    for (let j = 0; j <= i; j++) {
      const rowJ = j * size
      const sum = matrix[rowI + j]! - dot(lower, rowI, rowJ, j)
      if (i !== j) lower[rowI + j] = sum / lower[rowJ + j]!
      else if (sum > 0) lower[rowI + i] = Math.sqrt(sum)
      else throw new RangeError(`matrix is not positive definite at ${i}`)
    }
  }
  return lower
}

/** Solves L · X = B in place; B is row-major [size, columns]. */
export function solveLower(lower: Float64Array, b: Float64Array, columns: number): void {
  const size = b.length / columns
  for (let i = 0; i < size; i++) {
    const factor = (k: number): number => lower[i * size + k]!
    subtractRows(b, i, 0, i, factor, columns)
    divideRow(b, i, lower[i * size + i]!, columns)
  }
}

/** Solves Lᵀ · X = B in place; B is row-major [size, columns]. */
export function solveLowerTransposed(lower: Float64Array, b: Float64Array, columns: number): void {
  const size = b.length / columns
  for (let i = size - 1; i >= 0; i--) {
    const factor = (k: number): number => lower[k * size + i]!
    subtractRows(b, i, i + 1, size, factor, columns)
    divideRow(b, i, lower[i * size + i]!, columns)
  }
}

/** Inner product of two parts of `values`; four sums at a time hide the latency of an addition. */
function dot(values: Float64Array, a: number, b: number, length: number): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let k = 0
  for (; k + 3 < length; k += 4) {
    s0 += values[a + k]! * values[b + k]!
    s1 += values[a + k + 1]! * values[b + k + 1]!
    s2 += values[a + k + 2]! * values[b + k + 2]!
    s3 += values[a + k + 3]! * values[b + k + 3]!
  }
  for (; k < length; k++) s0 += values[a + k]! * values[b + k]!
  return s0 + s1 + (s2 + s3)
}

/** Takes factor(k) times row k off a row, for k in [from, to); four rows at a time save stores. */
function subtractRows(
  b: Float64Array,
  row: number,
  from: number,
  to: number,
  factor: (k: number) => number,
  columns: number,
): void {
  const target = b.subarray(row * columns, (row + 1) * columns)
  let k = from
  for (; k + 3 < to; k += 4) {
    const [f0, f1, f2, f3] = [factor(k), factor(k + 1), factor(k + 2), factor(k + 3)] as const
    const at = k * columns
    for (let j = 0; j < columns; j++) {
      const first = f0 * b[at + j]! + f1 * b[at + columns + j]!
      const second = f2 * b[at + 2 * columns + j]! + f3 * b[at + 3 * columns + j]!
      target[j] = target[j]! - (first + second)
    }
  }
  for (; k < to; k++) {
    const scale = factor(k)
    for (let j = 0; j < columns; j++) target[j] = target[j]! - scale * b[k * columns + j]!
  }
}

function divideRow(b: Float64Array, row: number, divisor: number, columns: number): void {
  const from = row * columns
  for (let j = 0; j < columns; j++) b[from + j] = b[from + j]! / divisor
}
