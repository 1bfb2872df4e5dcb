import { Matrix as DenseMatrix, EigenvalueDecomposition } from 'ml-matrix'
import { solveLower, solveLowerTransposed } from './cholesky.ts'
import { type ClassGaussians, type SharedFactor, transpose } from './gaussian.ts'

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
  const scaled = whitened.slice()
  for (let j = 0; j < d; j++) {
    for (let c = 0; c < classes; c++) {
      const prior = counts[present[c]!]! / total
      scaled[j * classes + c] = scaled[j * classes + c]! * Math.sqrt(share * prior)
    }
  }
  const { directions, strengths } = leadingDirections(scaled, d, classes)
  const rank = strengths.length
  if (rank === 0) return null
  const projection = directions.slice()
  solveLowerTransposed(factor.lower, projection, rank)
  const energy = (r: number): number => {
    let sum = 0
    for (let j = 0; j < d; j++) sum += projection[j * rank + r]! ** 2
    return sum
  }
  const offset = new Float64Array(rank)
  const classMeans = new Float64Array(classes * rank)
  for (let j = 0; j < d; j++) {
    for (let r = 0; r < rank; r++) {
      offset[r] = offset[r]! - projection[j * rank + r]! * centre[j]!
      for (let c = 0; c < classes; c++) {
        const product = directions[j * rank + r]! * whitened[j * classes + c]!
        classMeans[c * rank + r] = classMeans[c * rank + r]! + product
      }
    }
  }
  return {
    projection: transpose(projection, d, rank),
    offset,
    means: classMeans,
    background: strengths.map((strength, r) => 1 / (1 + strength + excess * energy(r))),
    rank,
    spread: excess / (meanVariance * (meanVariance + excess)),
    centre,
  }
}

/** Left singular vectors [rows, rank] of a matrix and the squares of its singular values, strongest first. */
function leadingDirections(
  values: Float64Array,
  rows: number,
  columns: number,
): { directions: Float64Array; strengths: Float64Array } {
  const tall = rows > columns
  const size = Math.min(rows, columns)
  const lines = tall ? transpose(values, rows, columns) : values
  const width = Math.max(rows, columns)
  const gram = new DenseMatrix(size, size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0
      for (let k = 0; k < width; k++) sum += lines[i * width + k]! * lines[j * width + k]!
      gram.set(i, j, sum)
      gram.set(j, i, sum)
    }
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram, {
    assumeSymmetric: true,
  })
  const largest = Math.max(...realEigenvalues)
  const kept = [...realEigenvalues.keys()]
    .filter((i) => realEigenvalues[i]! > STRENGTH_TOLERANCE * largest && largest > 0)
    .sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!)
  const rank = kept.length
  const directions = new Float64Array(rows * rank)
  kept.forEach((index, r) => {
    const norm = Math.sqrt(realEigenvalues[index]!)
    for (let i = 0; i < rows; i++) {
      let value = 0
      if (tall) {
        for (let k = 0; k < columns; k++) {
          value += values[i * columns + k]! * eigenvectorMatrix.get(k, index)
        }
        value /= norm
      } else value = eigenvectorMatrix.get(i, index)
      directions[i * rank + r] = value
    }
  })
  return { directions, strengths: Float64Array.from(kept, (i) => realEigenvalues[i]!) }
}
