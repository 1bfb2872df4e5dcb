import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'

/** A linear classifier in the coordinates of the features that it was fitted to. */
export interface LinearFit {
  /** Shape [classes, dimension]. */
  readonly weights: Float64Array
  /** Shape [classes]. */
  readonly bias: Float64Array
}

/** Scores of a linear classifier, shape [rows, classes]. */
export async function scoreLinear(
  kernels: MatrixKernels,
  rows: Matrix,
  fit: LinearFit,
): Promise<Matrix> {
  const classes = fit.bias.length
  const weights = { data: new Float32Array(fit.weights), rows: classes, columns: rows.columns }
  const scores = await kernels.multiply(rows, weights, { transposeB: true })
  for (let i = 0; i < scores.data.length; i++) {
    scores.data[i] = scores.data[i]! + fit.bias[i % classes]!
  }
  return scores
}
