import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import type { LinearFit } from './linear-fit.ts'
import { decompose, decomposeSymmetric } from './spectrum.ts'

/** Directions whose share of the largest variance is below this are rounding noise of float32 sums. */
const RANK_TOLERANCE = 1e-7

/**
 * Centred principal coordinates of the training rows: z = rotationᵀ (x - mean). Linear classifiers with an
 * L2 penalty and a free bias are the same in them, but features are uncorrelated and empty directions gone.
 */
export interface Basis {
  readonly mean: Float64Array
  /** Shape [dimension, rank], orthonormal columns. */
  readonly rotation: Matrix
  /** Shape [rank]: sum of squares of the rows along each direction. */
  readonly energies: Float64Array
}

/** Finds the basis of the given rows. Its time is cubic in the lesser of their number and their length. */
export async function createBasis(kernels: MatrixKernels, rows: Matrix): Promise<Basis> {
  const mean = columnMeans(rows)
  const { values, vectors } = await findDirections(kernels, subtractMean(rows, mean))
  const noise = RANK_TOLERANCE * (values[0] ?? 0)
  const above = values.filter((value) => value > noise).length
  const rank = Math.min(above, Math.max(1, rows.rows - 1))
  const d = rows.columns
  const rotation = new Float32Array(d * rank)
  for (let column = 0; column < rank; column++) {
    for (let i = 0; i < d; i++) rotation[i * rank + column] = vectors[column * d + i]!
  }
  return {
    mean,
    rotation: { data: rotation, rows: d, columns: rank },
    energies: values.slice(0, rank),
  }
}

/** Energies along orthonormal directions, strongest first, and those directions as rows. */
async function findDirections(kernels: MatrixKernels, centred: Matrix) {
  if (centred.rows < centred.columns) {
    const { squares, vectors } = decompose(centred)
    return { values: squares, vectors }
  }
  const d = centred.columns
  const { data } = await kernels.multiply(centred, centred, { transposeA: true })
  const gram = Float64Array.from(data, (value, at) => {
    const mirrored = data[(at % d) * d + Math.floor(at / d)]!
    return (value + mirrored) / 2
  })
  return decomposeSymmetric(gram, d)
}

/** Coordinates of rows in the basis, shape [rows, rank]. */
export async function toBasis(kernels: MatrixKernels, basis: Basis, rows: Matrix): Promise<Matrix> {
  return await kernels.multiply(subtractMean(rows, basis.mean), basis.rotation)
}

/** The same classifier for the original coordinates. */
export function fromBasis({ mean, rotation }: Basis, fit: LinearFit): LinearFit {
  const { rows: dimension, columns: rank, data } = rotation
  const classes = fit.bias.length
  const weights = new Float64Array(classes * dimension)
  const bias = fit.bias.slice()
  for (let c = 0; c < classes; c++) {
    for (let i = 0; i < dimension; i++) {
      let sum = 0
      for (let j = 0; j < rank; j++) sum += data[i * rank + j]! * fit.weights[c * rank + j]!
      weights[c * dimension + i] = sum
      bias[c] = bias[c]! - sum * mean[i]!
    }
  }
  return { weights, bias }
}

/** The point of the original space that has the given coordinates [rank]. */
export function fromCoordinates({ mean, rotation }: Basis, point: Float64Array): Float64Array {
  const { columns: rank, data } = rotation
  return mean.map((start, i) => {
    let sum = start
    for (let j = 0; j < rank; j++) sum += data[i * rank + j]! * point[j]!
    return sum
  })
}

/** Mean of each column. */
export function columnMeans({ data, rows, columns }: Matrix): Float64Array {
  const mean = new Float64Array(columns)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) mean[j] = mean[j]! + data[i * columns + j]!
  }
  return mean.map((sum) => sum / rows)
}

function subtractMean({ data, rows, columns }: Matrix, mean: Float64Array): Matrix {
  const out = new Float32Array(data.length)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[i * columns + j] = data[i * columns + j]! - mean[j]!
  }
  return { data: out, rows, columns }
}
