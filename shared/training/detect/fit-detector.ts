import { solveLower, solveLowerTransposed } from '../numerics/cholesky.ts'
import { type ClassGaussians, type SharedFactor, transpose } from '../numerics/gaussian.ts'
import { decompose as decomposeRows } from '../numerics/spectrum.ts'

/** Directions that separate the classes by less than this share of the strongest one are left out. */
const STRENGTH_TOLERANCE = 1e-6

/**
 * Relative Mahalanobis distance in discriminant coordinates: y = projection · x + offset, and
 * distance = min over classes |y - mean|² - Σ background_j y_j² + spread |x - centre|².
 */
export interface DetectorFit {
  /** Shape [rank, dimension]. */
  readonly projection: Float64Array
  /** Shape [rank]. */
  readonly offset: Float64Array
  /** Shape [classes with rows, rank]. */
  readonly means: Float64Array
  /** Shape [rank]. */
  readonly background: Float64Array
  readonly rank: number
  /** Weight of the squared distance from `centre`: what the other directions contribute on average. */
  readonly spread: number
  /** Shape [dimension]. */
  readonly centre: Float64Array
}

/**
 * Ren et al., "A simple fix to Mahalanobis distance for improving near-OOD detection" (2021), both covariances
 * shrunk towards their own mean variance: the background is S + (1 - shrinkage) between + excess I. Its excess
 * is taken by direction where classes differ and at the mean variance elsewhere: few numbers, no worse a ranking.
 */
export function fitDetector(gaussians: ClassGaussians, factor: SharedFactor): DetectorFit | null {
  const { means, counts, centre, dimension: d, ambient, meanVariance } = gaussians
  const present = [...counts.keys()].filter((c) => counts[c]! > 0)
  const classes = present.length
  const total = present.reduce((sum, c) => sum + counts[c]!, 0)
  const centred = new Float64Array(classes * d)
  present.forEach((c, row) => {
    for (let j = 0; j < d; j++) centred[row * d + j] = means[c * d + j]! - centre[j]!
  })
  let between = 0
  present.forEach((c, row) => {
    const mean = centred.subarray(row * d, (row + 1) * d)
    between += (counts[c]! / total) * mean.reduce((sum, x) => sum + x * x, 0)
  })
  const excess = (factor.shrinkage * between) / ambient
  const whitened = transpose(centred, classes, d)
  solveLower(factor.lower, whitened, classes)
  // At full shrinkage nothing of the data is left of S: keep the between part as it is.
  const share = factor.shrinkage < 1 ? 1 - factor.shrinkage : 1
  const roots = present.map((c) => Math.sqrt((share * counts[c]!) / total))
  const scaled = whitened.map((value, i) => value * roots[i % classes]!)
  const { left, right, strengths } = decompose(scaled, d, classes)
  const rank = strengths.length
  if (rank === 0) return null
  const projection = left.slice()
  solveLowerTransposed(factor.lower, projection, rank)
  const offset = new Float64Array(rank)
  const energies = new Float64Array(rank)
  for (let j = 0; j < d; j++) {
    for (let r = 0; r < rank; r++) {
      const value = projection[j * rank + r]!
      offset[r] = offset[r]! - value * centre[j]!
      energies[r] = energies[r]! + value * value
    }
  }
  // leftᵀ · whitened, from the decomposition of its scaled columns.
  const classMeans = right.map((value, i) => {
    const c = Math.floor(i / rank)
    return (value * Math.sqrt(strengths[i % rank]!)) / roots[c]!
  })
  return {
    projection: transpose(projection, d, rank),
    offset,
    means: classMeans,
    background: strengths.map((strength, r) => 1 / (1 + strength + excess * energies[r]!)),
    rank,
    spread: excess / (meanVariance * (meanVariance + excess)),
    centre,
  }
}

/** Singular vectors of a matrix, as columns, and the squares of its singular values, strongest first. */
interface Decomposition {
  /** Shape [rows, rank]. */
  readonly left: Float64Array
  /** Shape [columns, rank]. */
  readonly right: Float64Array
  readonly strengths: Float64Array
}

/** What is below the tolerance is left out. */
function decompose(values: Float64Array, rows: number, columns: number): Decomposition {
  const { squares, vectors } = decomposeRows({ data: values, rows, columns })
  const weakest = STRENGTH_TOLERANCE * (squares[0] ?? 0)
  const strengths = squares.filter((square) => square > weakest)
  const rank = strengths.length
  const right = transpose(vectors.slice(0, rank * columns), rank, columns)
  const left = new Float64Array(rows * rank)
  const scaled = right.map((value, i) => value / Math.sqrt(strengths[i % rank]!))
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < columns; c++) {
      const value = values[i * columns + c]!
      for (let r = 0; r < rank; r++) {
        left[i * rank + r] = left[i * rank + r]! + value * scaled[c * rank + r]!
      }
    }
  }
  return { left, right, strengths }
}
