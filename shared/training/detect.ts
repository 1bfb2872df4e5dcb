import { relativeDistance } from '../head/distance.ts'
import type { Detector } from '../head/head.ts'
import type { Matrix } from '../lib/matrix-kernels.ts'
import { fromBasis } from './basis.ts'
import { type DetectorFit, fitDetector } from './detector.ts'
import { factorShared, fitGaussians } from './gaussian.ts'
import { type Problem, scoreLinear } from './problem.ts'

/** Best or near it from few rows to many (compare 0.5 and 0.9 on CLINC150). */
const SHRINKAGE = 0.5
/** Share of in-distribution rows that are let through. */
const KEPT_SHARE = 0.95
/** Mean variance within groups of unit vectors that is more than rounding. */
const LEAST_VARIANCE = 1e-9

/**
 * Fits the out-of-distribution detector on all rows, with the threshold that 95 % of the held-out rows of a
 * cross-validation pass. Null where the groups cannot be told apart, or no row could be held out.
 */
export async function trainDetector(
  problem: Problem,
  groupCount: number,
): Promise<Detector | null> {
  const distances: number[] = []
  for (const fold of problem.folds) {
    const fit = await fitOn(problem, fold.trainCoordinates, fold.trainGroups, groupCount)
    if (fit) distances.push(...(await measureDistances(problem, fit, fold.testCoordinates)))
  }
  const fit = await fitOn(problem, problem.coordinates, problem.groups, groupCount)
  if (!fit || distances.length === 0) return null
  const moved = fromBasis(problem.basis, { weights: fit.projection, bias: fit.offset })
  return {
    projection: new Float32Array(moved.weights),
    offset: new Float32Array(moved.bias),
    means: new Float32Array(fit.means),
    background: new Float32Array(fit.background),
    threshold: quantile(distances, KEPT_SHARE),
  }
}

async function fitOn(
  problem: Problem,
  rows: Matrix,
  groups: Int32Array,
  groupCount: number,
): Promise<DetectorFit | null> {
  const ambient = problem.rows.columns
  if (rows.columns === 0) return null
  const gaussians = await fitGaussians(problem.kernels, rows, groups, groupCount, ambient)
  // Groups of equal rows leave nothing but rounding to measure distances by.
  if (!(gaussians.meanVariance > LEAST_VARIANCE)) return null
  return fitDetector(gaussians, factorShared(gaussians, SHRINKAGE))
}

async function measureDistances(
  problem: Problem,
  fit: DetectorFit,
  rows: Matrix,
): Promise<number[]> {
  const linear = { weights: fit.projection, bias: fit.offset }
  const { data, columns } = await scoreLinear(problem.kernels, rows, linear)
  return Array.from({ length: rows.rows }, (_, row) =>
    relativeDistance(fit, data.subarray(row * columns, (row + 1) * columns)),
  )
}

/** The smallest value that at least `share` of all values do not exceed. */
function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!
}
