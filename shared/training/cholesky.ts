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
      let sum = matrix[rowI + j]!
      for (let k = 0; k < j; k++) sum -= lower[rowI + k]! * lower[rowJ + k]!
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
    for (let k = 0; k < i; k++) subtractRow(b, i, k, lower[i * size + k]!, columns)
    divideRow(b, i, lower[i * size + i]!, columns)
  }
}

/** Solves Lᵀ · X = B in place; B is row-major [size, columns]. */
export function solveLowerTransposed(lower: Float64Array, b: Float64Array, columns: number): void {
  const size = b.length / columns
  for (let i = size - 1; i >= 0; i--) {
    divideRow(b, i, lower[i * size + i]!, columns)
    for (let k = 0; k < i; k++) subtractRow(b, k, i, lower[i * size + k]!, columns)
  }
}

function subtractRow(
  b: Float64Array,
  target: number,
  source: number,
  scale: number,
  columns: number,
): void {
  const to = target * columns
  const from = source * columns
  for (let j = 0; j < columns; j++) b[to + j] = b[to + j]! - scale * b[from + j]!
}

function divideRow(b: Float64Array, row: number, divisor: number, columns: number): void {
  const from = row * columns
  for (let j = 0; j < columns; j++) b[from + j] = b[from + j]! / divisor
}
