import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { type Features, gramOfColumns, transposeFeatures } from './features.ts'

/** Squared singular values below this share of the largest are rounding noise of a Gram matrix. */
const TOLERANCE = 1e-12

/** The right singular vectors of a matrix with its squared singular values, largest first. */
export interface Spectrum {
  /** Shape [rank]. */
  readonly squares: Float64Array
  /** Shape [rank, columns], orthonormal rows. */
  readonly vectors: Float64Array
  readonly columns: number
}

/**
 * Decomposes Xᵀ X by way of the smaller Gram matrix: cubic in the lesser of rows and columns
 * (about 3 s at 800), so few rows of long vectors are cheap.
 */
export function decompose(features: Features): Spectrum {
  const { rows, columns } = features
  const isWide = rows < columns
  const gram = gramOfColumns(isWide ? transposeFeatures(features) : features)
  const size = isWide ? rows : columns
  const { values, vectors } = decomposeSymmetric(gram, size)
  const kept = values.findIndex((value) => !(value > TOLERANCE * values[0]!))
  const rank = kept === -1 ? size : kept
  const squares = values.slice(0, rank)
  const own = vectors.slice(0, rank * size)
  return { squares, vectors: isWide ? toRight(features, own, squares) : own, columns }
}

/** Eigenvalues of a symmetric matrix, shape [size], largest first, and its eigenvectors as rows, shape [size, size]. */
export function decomposeSymmetric(matrix: Float64Array, size: number) {
  const symmetric = Matrix.from1DArray(size, size, matrix)
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric, {
    assumeSymmetric: true,
  })
  const order = realEigenvalues.map((_, i) => i)
  order.sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!)
  const vectors = new Float64Array(size * size)
  order.forEach((from, to) => {
    for (let i = 0; i < size; i++) vectors[to * size + i] = eigenvectorMatrix.get(i, from)
  })
  return { values: Float64Array.from(order, (i) => realEigenvalues[i]!), vectors }
}

/** v = Xᵀ u / s for each left singular vector u. */
function toRight({ data, rows, columns }: Features, left: Float64Array, squares: Float64Array) {
  const out = new Float64Array(squares.length * columns)
  squares.forEach((square, k) => {
    const vector = out.subarray(k * columns, (k + 1) * columns)
    for (let i = 0; i < rows; i++) {
      const factor = left[k * rows + i]! / Math.sqrt(square)
      const from = i * columns
      for (let j = 0; j < columns; j++) vector[j] = vector[j]! + factor * data[from + j]!
    }
  })
  return out
}
