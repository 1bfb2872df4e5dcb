import { EspalierError } from '../../lib/errors.ts'
import { createRandom } from '../../lib/maths/random.ts'
import type { Features } from '../numerics/features.ts'
import { sampleRows } from '../numerics/folds.ts'
import { decompose, type Spectrum } from '../numerics/spectrum.ts'
import type { TrainingSet } from '../types.ts'

const MAX_STEPS = 11
/** The fixed point is reached when alpha / beta moves by less than this share. */
const SETTLED = 1e-3
/** Keeps a perfect fit finite. */
const FLOOR = 1e-5

/**
 * LogME (You et al. 2021): the log evidence of a Bayesian linear model of one-hot labels on the features,
 * per row and averaged over classes. Higher promises a better transfer; compare on the same rows only.
 * The full evidence: directions that the rows do not span keep their share of log |A|, which the fast
 * variant of the published code leaves out where rows are fewer than columns.
 * @throws EspalierError `invalid_data` without rows, without two classes, or for numbers that are not finite
 */
export function scoreLogMe(features: Features, targets: Int32Array, classes: number): number {
  const { data, rows } = features
  if (targets.length !== rows || rows === 0 || classes < 2) {
    throw new EspalierError(
      'invalid_data',
      `LogME takes rows of at least two classes; got ${rows} rows, ${targets.length} labels, ${classes} classes`,
    )
  }
  if (!data.every(Number.isFinite)) {
    throw new EspalierError('invalid_data', 'LogME: a feature is not a finite number')
  }
  const spectrum = decompose(features)
  const sums = sumByClass(features, targets, classes)
  const counts = new Float64Array(classes)
  for (const target of targets) counts[target] = counts[target]! + 1
  let total = 0
  for (let c = 0; c < classes; c++) {
    const products = projectSquared(spectrum, sums.subarray(c * features.columns))
    total += evidence(spectrum, products, { rows, energy: counts[c]! })
  }
  return total / classes
}

function sumByClass({ data, columns }: Features, targets: Int32Array, classes: number) {
  const sums = new Float64Array(classes * columns)
  targets.forEach((target, row) => {
    const [to, from] = [target * columns, row * columns]
    for (let j = 0; j < columns; j++) sums[to + j] = sums[to + j]! + data[from + j]!
  })
  return sums
}

/** (uᵀ y)² for each left singular vector u, from Xᵀ y: uᵀ y = vᵀ Xᵀ y / s. */
function projectSquared({ squares, vectors, columns }: Spectrum, product: Float64Array) {
  return squares.map((square, k) => {
    let sum = 0
    for (let j = 0; j < columns; j++) sum += vectors[k * columns + j]! * product[j]!
    return (sum * sum) / square
  })
}

function evidence(
  { squares, columns }: Spectrum,
  products: Float64Array,
  { rows, energy }: { readonly rows: number; readonly energy: number },
): number {
  let outside = energy
  for (const product of products) outside -= product
  outside = Math.max(outside, 0)
  let [alpha, beta] = [1, 1]
  let result = 0
  for (let step = 0; step < MAX_STEPS; step++) {
    const ratio = alpha / beta
    let gamma = 0
    let weights = 0
    let residual = outside
    squares.forEach((square, k) => {
      const shrunk = ratio + square
      gamma += square / shrunk
      weights += (square * products[k]!) / shrunk ** 2
      residual += products[k]! * (ratio / shrunk) ** 2
    })
    alpha = gamma / (weights + FLOOR)
    beta = (rows - gamma) / (residual + FLOOR)
    let logDeterminant = (columns - squares.length) * Math.log(alpha)
    for (const square of squares) logDeterminant += Math.log(alpha + beta * square)
    result =
      (columns * Math.log(alpha) +
        rows * Math.log(beta / (2 * Math.PI)) -
        logDeterminant -
        beta * residual -
        alpha * weights) /
      (2 * rows)
    if (Math.abs(alpha / beta - ratio) <= SETTLED * ratio) break
  }
  return result
}

/**
 * LogME of the features of a layer on at most `maxRows` rows, a seeded stratified sample: the same rows for each
 * layer of a comparison. Null where rows have several labels.
 */
export function scoreLayer(
  { embeddings, dimension, labels, targets }: TrainingSet,
  maxRows: number,
  seed: number,
): number | null {
  if (targets === null) return null
  const kept = sampleRows(targets, maxRows, createRandom(seed))
  const data = new Float32Array(kept.length * dimension)
  kept.forEach((row, at) => {
    data.set(embeddings.subarray(row * dimension, (row + 1) * dimension), at * dimension)
  })
  const known = Int32Array.from(kept, (row) => targets[row]!)
  return scoreLogMe({ data, rows: kept.length, columns: dimension }, known, labels.length)
}
