import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { columnMeans } from './basis.ts'
import { factorCholesky } from './cholesky.ts'

/** Smallest variance given to a direction, as a share of the mean variance, so that factors exist. */
const VARIANCE_FLOOR = 1e-6
/** A variance within classes below this share of that between them is rounding: their rows are equal. */
const LEAST_WITHIN = 1e-9

/** Class means and the covariance that all classes share. */
export interface ClassGaussians {
  /** Shape [classes, dimension]; zero rows for classes without rows. */
  readonly means: Float64Array
  readonly counts: Float64Array
  /** Shape [dimension]: mean of all rows. */
  readonly centre: Float64Array
  /** Shape [dimension, dimension]: mean of outer products of rows around their class mean. */
  readonly within: Float64Array
  readonly dimension: number
  /** Dimensions of the original embedding. */
  readonly ambient: number
  readonly classes: number
  /** Ledoit and Wolf's shrinkage of `within` towards a multiple of the identity. */
  readonly ledoitWolf: number
  /** Mean variance within classes over the dimensions of the original embedding. */
  readonly meanVariance: number
  /** True where the classes have none, and it is taken from the variance between them. */
  readonly isAssumed: boolean
}

/** The Cholesky factor of (1 - shrinkage) within + shrinkage meanVariance I. */
export interface SharedFactor {
  readonly lower: Float64Array
  readonly shrinkage: number
}

/** Measures the classes. `ambient` is the dimension of the embedding where `rows` are coordinates in a subspace. */
export async function fitGaussians(
  kernels: MatrixKernels,
  rows: Matrix,
  groups: Int32Array,
  classes: number,
  ambient: number,
): Promise<ClassGaussians> {
  const { data, columns: d } = rows
  const means = new Float64Array(classes * d)
  const counts = new Float64Array(classes)
  for (let i = 0; i < rows.rows; i++) {
    const c = groups[i]!
    counts[c] = counts[c]! + 1
    for (let j = 0; j < d; j++) means[c * d + j] = means[c * d + j]! + data[i * d + j]!
  }
  for (let c = 0; c < classes; c++) {
    for (let j = 0; j < d; j++) means[c * d + j] = means[c * d + j]! / Math.max(counts[c]!, 1)
  }
  const residuals = new Float32Array(data.length)
  let fourth = 0
  for (let i = 0; i < rows.rows; i++) {
    let square = 0
    for (let j = 0; j < d; j++) {
      const value = data[i * d + j]! - means[groups[i]! * d + j]!
      residuals[i * d + j] = value
      square += value * value
    }
    fourth += square * square
  }
  const matrix = { data: residuals, rows: rows.rows, columns: d }
  const gram = await kernels.multiply(matrix, matrix, { transposeA: true })
  const within = new Float64Array(d * d)
  let trace = 0
  let squares = 0
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      const value = (gram.data[i * d + j]! + gram.data[j * d + i]!) / (2 * rows.rows)
      within[i * d + j] = value
      squares += value * value
    }
    trace += within[i * d + i]!
  }
  const meanVariance = Math.max(trace / ambient, Number.MIN_VALUE)
  return {
    means,
    counts,
    centre: columnMeans(rows),
    within,
    dimension: d,
    ambient,
    classes,
    ledoitWolf: ledoitWolf(squares, trace, fourth, rows.rows, ambient),
    meanVariance,
    isAssumed: false,
  }
}

/**
 * The same classes; where the rows of each are equal, with the mean variance between classes in every direction, so
 * that discriminant analysis is the nearest class mean, and not undefined.
 */
function assumeVariance(gaussians: ClassGaussians): ClassGaussians {
  const { means, counts, centre, dimension: d, ambient, classes, meanVariance } = gaussians
  const total = counts.reduce((sum, count) => sum + count, 0)
  let between = 0
  for (let c = 0; c < classes; c++) {
    let square = 0
    for (let j = 0; j < d; j++) square += (means[c * d + j]! - centre[j]!) ** 2
    between += ((counts[c]! / total) * square) / ambient
  }
  if (meanVariance > LEAST_WITHIN * between) return gaussians
  const assumed = { within: new Float64Array(d * d), ledoitWolf: 1, isAssumed: true }
  return { ...gaussians, ...assumed, meanVariance: between > 0 ? between : 1 }
}

/**
 * Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004),
 * with the mean assumed known, as in scikit-learn's `ledoit_wolf_shrinkage(assume_centered=True)`.
 */
function ledoitWolf(squares: number, trace: number, fourth: number, n: number, d: number): number {
  const delta = squares - (trace * trace) / d
  const beta = (fourth / n - squares) / n
  return delta > 0 ? Math.min(Math.max(beta, 0), delta) / delta : 1
}

/**
 * Factors the shared covariance at the given shrinkage in (0, 1]. Where the sums of float32 leave it indefinite, what
 * is added to its diagonal grows until it is not.
 * @throws RangeError where there is no variance within classes at all
 */
export function factorShared(gaussians: ClassGaussians, shrinkage: number): SharedFactor {
  const { within, dimension: d, meanVariance } = gaussians
  for (let share = Math.max(shrinkage, VARIANCE_FLOOR); ; share *= 10) {
    const matrix = within.map((value) => (1 - shrinkage) * value)
    const ridge = share * meanVariance
    for (let i = 0; i < d; i++) matrix[i * d + i] = matrix[i * d + i]! + ridge
    try {
      return { lower: factorCholesky(matrix, d), shrinkage }
    } catch (error) {
      const isNothing = meanVariance === Number.MIN_VALUE
      if (!(error instanceof RangeError) || isNothing || share >= 1) throw error
    }
  }
}

/** Measures and factors each set of rows once, for all who need it: discriminant analysis and the detector. */
export class GaussianCache {
  readonly #kernels: MatrixKernels
  readonly #ambient: number
  readonly #assumes: boolean
  readonly #measured = new WeakMap<Matrix, Map<number, Promise<ClassGaussians>>>()
  readonly #factors = new WeakMap<ClassGaussians, Map<number, SharedFactor>>()

  /**
   * @param ambient the dimension of the embedding whose coordinates the rows are
   * @param assumes whether classes of equal rows get a variance
   */
  constructor(kernels: MatrixKernels, ambient: number, assumes: boolean) {
    this.#kernels = kernels
    this.#ambient = ambient
    this.#assumes = assumes
  }

  /** The classes of some rows; the same rows must always come with the same groups for a number of classes. */
  measure(rows: Matrix, groups: Int32Array, classes: number): Promise<ClassGaussians> {
    return remember(this.#measured, rows, classes, async () => {
      const found = await fitGaussians(this.#kernels, rows, groups, classes, this.#ambient)
      return this.#assumes ? assumeVariance(found) : found
    })
  }

  factor(gaussians: ClassGaussians, shrinkage: number): SharedFactor {
    return remember(this.#factors, gaussians, shrinkage, () => factorShared(gaussians, shrinkage))
  }
}

function remember<K extends object, V>(
  cache: WeakMap<K, Map<number, V>>,
  key: K,
  setting: number,
  make: () => V,
): V {
  const entries = cache.get(key) ?? new Map<number, V>()
  cache.set(key, entries)
  const found = entries.get(setting)
  if (found !== undefined) return found
  const made = make()
  entries.set(setting, made)
  return made
}

/** Row-major [rows, columns] to [columns, rows]. */
export function transpose(values: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(values.length)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]!
  }
  return out
}
