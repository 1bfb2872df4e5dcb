import type { LossResult, LossRows, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { minimize } from '../numerics/lbfgs.ts'
import type { LinearFit } from '../numerics/linear-fit.ts'

export interface LogisticFit extends LinearFit {
  /** Mean of p (1 - p) per class at the fit: where the next lambda of a path starts from. */
  readonly curvature: Float64Array
  readonly loss: number
  readonly iterations: number
}

export interface LogisticOptions {
  /** Weight of ||W||^2 / 2 beside the mean cross-entropy. */
  readonly lambda: number
  /** The fit at a neighbouring lambda. */
  readonly start?: LogisticFit | undefined
  /** Estimated distance to the optimal objective, relative to it, at which to stop. @default 1e-9 */
  readonly tolerance?: number
  /** @default 500 */
  readonly maxIterations?: number
}

/**
 * Multinomial (softmax) or independent (sigmoid) logistic regression: minimises the weighted mean
 * cross-entropy + lambda/2 ||W||^2 with an unpenalised bias. scikit-learn's C is 1 / (lambda · rows).
 * The preconditioner treats features as uncorrelated: give centred, rotated ones (`createBasis`).
 */
export async function fitLogistic(
  kernels: MatrixKernels,
  rows: LossRows,
  options: LogisticOptions,
): Promise<LogisticFit> {
  const { lambda, start } = options
  const classes = rows.targets.columns
  const dimension = rows.features.columns
  const size = classes * dimension
  let last: LossResult | null = null
  const objective = async (point: Float64Array) => {
    const weights = point.subarray(0, size)
    last = await kernels.loss(rows, weights, point.subarray(size))
    const gradient = new Float64Array(size + classes)
    let penalty = 0
    for (let i = 0; i < size; i++) {
      gradient[i] = last.gradient[i]! + lambda * weights[i]!
      penalty += weights[i]! * weights[i]!
    }
    gradient.set(last.biasGradient, size)
    return { value: last.loss + (lambda / 2) * penalty, gradient }
  }
  const moments = secondMoments(rows)
  const curvature = start?.curvature ?? initialCurvature(rows)
  const inverse = new Float64Array(size + classes)
  for (let c = 0; c < classes; c++) {
    const bend = Math.max(curvature[c]!, 1e-8)
    for (let j = 0; j < dimension; j++) {
      inverse[c * dimension + j] = 1 / (bend * moments[j]! + lambda)
    }
    inverse[size + c] = 1 / bend
  }
  const origin = new Float64Array(size + classes)
  if (start) {
    origin.set(start.weights)
    origin.set(start.bias, size)
  } else origin.set(initialBias(rows), size)
  const scale = start?.loss ?? Math.log(rows.activation === 'softmax' ? classes : 2)
  const found = await minimize(objective, {
    start: origin,
    precondition: (vector) => {
      for (let i = 0; i < vector.length; i++) vector[i] = vector[i]! * inverse[i]!
    },
    tolerance: (options.tolerance ?? 1e-9) * Math.max(scale, 1e-3),
    maxIterations: options.maxIterations ?? 500,
  })
  return {
    weights: found.point.slice(0, size),
    bias: found.point.slice(size),
    curvature: (last as LossResult | null)?.curvature ?? curvature,
    loss: found.value,
    iterations: found.iterations,
  }
}

function secondMoments({ features, rowWeights }: LossRows): Float64Array {
  const moments = new Float64Array(features.columns)
  for (let i = 0; i < features.rows; i++) {
    const weight = rowWeights[i]!
    for (let j = 0; j < features.columns; j++) {
      const x = features.data[i * features.columns + j]!
      moments[j] = moments[j]! + weight * x * x
    }
  }
  return moments
}

/** Weighted share of each class, kept away from 0 and 1. */
function shares({ targets, rowWeights }: LossRows): Float64Array {
  const result = new Float64Array(targets.columns)
  for (let i = 0; i < targets.rows; i++) {
    for (let c = 0; c < targets.columns; c++) {
      result[c] = result[c]! + rowWeights[i]! * targets.data[i * targets.columns + c]!
    }
  }
  return result.map((share) => Math.min(Math.max(share, 1e-6), 1 - 1e-6))
}

function initialCurvature(rows: LossRows): Float64Array {
  return shares(rows).map((share) => share * (1 - share))
}

function initialBias(rows: LossRows): Float64Array {
  return shares(rows).map((share) =>
    rows.activation === 'softmax' ? Math.log(share) : Math.log(share / (1 - share)),
  )
}
