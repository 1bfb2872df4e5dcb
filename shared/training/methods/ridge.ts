import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { fromBasis } from '../numerics/basis.ts'
import type { LinearFit } from '../numerics/linear-fit.ts'
import { takeRows } from '../numerics/rows.ts'
import { type Candidate, calibrate, type LinearCandidate, singleCandidate } from './candidates.ts'
import { leaveUnitsOut } from './leave-units-out.ts'
import type { MethodRun } from './method.ts'
import type { Problem } from './problem.ts'

const ALPHAS = Array.from({ length: 11 }, (_, i) => 10 ** (-2 + i / 2))

/** Ridge regression on the labels. */
export async function makeCandidate({ problem }: MethodRun): Promise<Candidate> {
  return singleCandidate(problem, await selectCandidate(problem))
}

/** Ridge regression, alpha by the closed-form error of rows left out: alone, or with those that they stay together with. */
async function selectCandidate(problem: Problem): Promise<LinearCandidate> {
  const { kernels, coordinates, basis, targets } = problem
  const { together } = problem
  const found = await selectRidge(kernels, coordinates, basis.energies, targets, ALPHAS, together)
  const scores = takeRows(found.leaveOneOut, problem.heldOut)
  return {
    method: 'ridge',
    parameters: { alpha: found.alpha },
    scores,
    ...calibrate(problem, scores, 0.1),
    async fit(all) {
      const energies = all.basis.energies
      const alphas = [found.alpha]
      const fit = await selectRidge(all.kernels, all.coordinates, energies, all.targets, alphas)
      return fromBasis(all.basis, fit)
    },
  }
}

export interface RidgeFit extends LinearFit {
  /** Shape [rows, classes]: the scores each row gets from a fit without it and without what it stays together with. */
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
  together?: Int32Array | undefined,
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
  const leaveOneOut = new Float64Array(n * classes)
  const inverse = energies.map((energy) => 1 / (energy + alpha))
  const residuals = new Float64Array(n * classes)
  for (let i = 0; i < n; i++) {
    let leverage = 1 / n
    for (let j = 0; j < d; j++) leverage += x[i * d + j]! ** 2 * inverse[j]!
    const rest = Math.max(1 - leverage, 1e-9)
    for (let at = i * classes, c = 0; c < classes; c++, at++) {
      residuals[at] = t[at]! - fitted.data[at]! - bias[c]!
      leaveOneOut[at] = t[at]! - residuals[at]! / rest
    }
  }
  if (together) leaveUnitsOut(leaveOneOut, { rows, inverse, targets, residuals }, together)
  let error = 0
  for (const [at, score] of leaveOneOut.entries()) error += (t[at]! - score) ** 2
  return {
    weights,
    bias,
    leaveOneOut: { data: Float32Array.from(leaveOneOut), rows: n, columns: classes },
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
  together?: Int32Array | undefined,
): Promise<RidgeFit & { readonly alpha: number }> {
  let best: (RidgeFit & { alpha: number }) | null = null
  for (const alpha of alphas) {
    const fit = await fitRidge(kernels, rows, energies, targets, alpha, together)
    if (!best || fit.error < best.error) best = { ...fit, alpha }
  }
  if (!best) throw new RangeError('no alpha to choose from')
  return best
}
