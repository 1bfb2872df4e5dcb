import { relativeDistance } from '../../head/columns.ts'
import type { Detector } from '../../head/head.ts'
import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import type { Problem } from '../methods/problem.ts'
import { type Basis, fromBasis, fromCoordinates } from '../numerics/basis.ts'
import { scoreLinear } from '../numerics/linear-fit.ts'
import { chooseThreshold } from './choose-threshold.ts'
import { type DetectorFit, fitDetector } from './fit-detector.ts'

/** Best or near it from few rows to many (compare 0.5 and 0.9 on CLINC150). */
const SHRINKAGE = 0.5
/** Mean variance within groups of unit vectors that is more than rounding. */
const LEAST_VARIANCE = 1e-9

/** Why there is no detector: rows of a class are equal, or too few rows can be held out to tell a threshold from. */
export type DetectorLack = 'equal-rows' | 'few-rows'

/**
 * Fits the out-of-distribution detector on all rows, with the threshold that 95 % of ordinary rows pass; the reason where
 * there is none.
 */
export async function trainDetector(
  problem: Problem,
  groupCount: number,
): Promise<Detector | DetectorLack> {
  const fit = await fitOn(problem, problem.coordinates, problem.groups, groupCount)
  if (!fit) return 'equal-rows'
  const threshold = await chooseThreshold(problem, async ({ train, trainGroups, test }) => {
    const part = await fitOn(problem, train, trainGroups, groupCount)
    return part ? measureDistances(problem, part, test) : []
  })
  return threshold === null ? 'few-rows' : { ...exportDetector(problem.basis, fit), threshold }
}

/**
 * |x - centre|² is affine in unit vectors x, and so is (y + s)² - y² = 2 s y + s² in y: one more coordinate
 * y = spread |x - centre|² / 2s - s/2, of mean -s in every group and background 1, adds the spread term.
 */
function exportDetector(basis: Basis, fit: DetectorFit): Omit<Detector, 'threshold'> {
  const { rank, spread } = fit
  const dimension = basis.mean.length
  const groups = fit.means.length / rank
  const moved = fromBasis(basis, { weights: fit.projection, bias: fit.offset })
  const centre = fromCoordinates(basis, fit.centre)
  const square = centre.reduce((sum, x) => sum + x * x, 0)
  // As large as a common y, so that little is lost to rounding.
  const scale = Math.sqrt(Math.max((spread * (1 - square)) / 2, Number.EPSILON))
  const factor = spread / (2 * scale)
  const projection = new Float32Array((rank + 1) * dimension)
  projection.set(moved.weights)
  projection.set(
    centre.map((x) => -2 * factor * x),
    rank * dimension,
  )
  const means = new Float32Array(groups * (rank + 1))
  for (let group = 0; group < groups; group++) {
    means.set(fit.means.subarray(group * rank, (group + 1) * rank), group * (rank + 1))
    means[group * (rank + 1) + rank] = -scale
  }
  const last = factor * (1 + square) - scale / 2
  return {
    projection,
    offset: Float32Array.from([...moved.bias, last]),
    means,
    background: Float32Array.from([...fit.background, 1]),
  }
}

async function fitOn(
  problem: Problem,
  rows: Matrix,
  groups: Int32Array,
  groupCount: number,
): Promise<DetectorFit | null> {
  if (rows.columns === 0) return null
  const gaussians = await problem.gaussians.measure(rows, groups, groupCount)
  // Groups of equal rows leave nothing but rounding to measure distances by.
  if (gaussians.isAssumed || !(gaussians.meanVariance > LEAST_VARIANCE)) return null
  return fitDetector(gaussians, problem.gaussians.factor(gaussians, SHRINKAGE))
}

async function measureDistances(
  problem: Problem,
  fit: DetectorFit,
  rows: Matrix,
): Promise<number[]> {
  const linear = { weights: fit.projection, bias: fit.offset }
  const scores = await scoreLinear(problem.kernels, rows, linear)
  return Array.from({ length: rows.rows }, (_, row) => {
    const around = squaredDistance(rowOf(rows, row), fit.centre)
    return relativeDistance(fit, rowOf(scores, row)) + fit.spread * around
  })
}

function rowOf({ data, columns }: Matrix, row: number): Float32Array {
  return data.subarray(row * columns, (row + 1) * columns)
}

function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < b.length; i++) sum += (a[i]! - b[i]!) ** 2
  return sum
}
