import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import type { LinearFit } from './logistic.ts'

export interface RidgeFit extends LinearFit {
  /** Shape [rows, classes]: the scores each row gets from a fit without it. */
  readonly leaveOneOut: Matrix
  /** Mean squared error of `leaveOneOut` against the targets. */
  readonly error: number
}

/**
 * Ridge regression on 0/1 targets with a free intercept, min |T - XW - b|² + alpha |W|², with its closed-form
 * leave-one-out scores t - (t - f) / (1 - h). `rows` are centred principal coordinates with the given
 * `energies` (sums of squares per column), in which the normal equations are diagonal.
 */
export async function fitRidge(
  kernels: MatrixKernels,
  rows: Matrix,
  energies: Float64Array,
  targets: Matrix,
  alpha: number,
): Promise<RidgeFit> {
  const { data: x, columns: d, rows: n } = rows
  const { data: t, columns: classes } = targets
  const products = await kernels.multiply(targets, rows, { transposeA: true })
  const weights = new Float64Array(products.data)
  for (let c = 0; c < classes; c++) {
    for (let j = 0; j < d; j++) weights[c * d + j] = weights[c * d + j]! / (energies[j]! + alpha)
  }
  const bias = new Float64Array(classes)
  for (let i = 0; i < t.length; i++) bias[i % classes] = bias[i % classes]! + t[i]! / n
  const slopes = { data: new Float32Array(weights), rows: classes, columns: d }
  const fitted = await kernels.multiply(rows, slopes, { transposeB: true })
  const leaveOneOut = new Float32Array(n * classes)
  const inverse = energies.map((energy) => 1 / (energy + alpha))
  let error = 0
  for (let i = 0; i < n; i++) {
    let leverage = 1 / n
    for (let j = 0; j < d; j++) leverage += x[i * d + j]! ** 2 * inverse[j]!
    const rest = Math.max(1 - leverage, 1e-9)
    for (let at = i * classes, c = 0; c < classes; c++, at++) {
      const residual = (t[at]! - fitted.data[at]! - bias[c]!) / rest
      leaveOneOut[at] = t[at]! - residual
      error += residual * residual
    }
  }
  return {
    weights,
    bias,
    leaveOneOut: { data: leaveOneOut, rows: n, columns: classes },
    error: error / (n * classes),
  }
}

/** Fits every alpha and keeps the one of least leave-one-out error. */
export async function selectRidge(
  kernels: MatrixKernels,
  rows: Matrix,
  energies: Float64Array,
  targets: Matrix,
  alphas: readonly number[],
): Promise<RidgeFit & { readonly alpha: number }> {
  let best: (RidgeFit & { alpha: number }) | null = null
  for (const alpha of alphas) {
    const fit = await fitRidge(kernels, rows, energies, targets, alpha)
    if (!best || fit.error < best.error) best = { ...fit, alpha }
  }
  if (!best) throw new RangeError('no alpha to choose from')
  return best
}
