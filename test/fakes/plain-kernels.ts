import type {
  LossResult,
  LossRows,
  Matrix,
  MatrixKernels,
  NearestRows,
} from '../../shared/lib/maths/matrix-kernels.ts'
import { selectLargest } from '../../shared/lib/maths/select-largest.ts'

/** Kernels in plain JavaScript with float64 sums: the reference for tests, and enough for small problems. */
export function plainKernels(): MatrixKernels {
  return {
    async multiply(a, b, options = {}) {
      return multiplyPlain(a, b, options.transposeA === true, options.transposeB === true)
    },
    async loss(rows, weights, bias) {
      return computeLoss(rows, weights, bias)
    },
    async nearest(queries, keys, k) {
      return findNearest(queries, keys, k)
    },
  }
}

function multiplyPlain(a: Matrix, b: Matrix, transposeA: boolean, transposeB: boolean): Matrix {
  const rows = transposeA ? a.columns : a.rows
  const inner = transposeA ? a.rows : a.columns
  const columns = transposeB ? b.rows : b.columns
  const [aRow, aStep] = transposeA ? [1, a.columns] : [a.columns, 1]
  const [bStep, bColumn] = transposeB ? [1, b.columns] : [b.columns, 1]
  const data = new Float32Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0
      for (let k = 0; k < inner; k++) {
        sum += a.data[i * aRow + k * aStep]! * b.data[k * bStep + j * bColumn]!
      }
      data[i * columns + j] = sum
    }
  }
  return { data, rows, columns }
}

function computeLoss(rows: LossRows, weights: Float64Array, bias: Float64Array): LossResult {
  const { features, targets, rowWeights } = rows
  const classes = targets.columns
  const dimension = features.columns
  const gradient = new Float64Array(classes * dimension)
  const biasGradient = new Float64Array(classes)
  const curvature = new Float64Array(classes)
  const scores = new Float64Array(classes)
  let loss = 0
  for (let i = 0; i < features.rows; i++) {
    const x = features.data.subarray(i * dimension, (i + 1) * dimension)
    const y = targets.data.subarray(i * classes, (i + 1) * classes)
    const weight = rowWeights[i]!
    for (let c = 0; c < classes; c++) {
      let sum = bias[c]!
      for (let j = 0; j < dimension; j++) sum += weights[c * dimension + j]! * x[j]!
      scores[c] = sum
    }
    loss +=
      weight * (rows.activation === 'softmax' ? softmaxLoss(scores, y) : sigmoidLoss(scores, y))
    for (let c = 0; c < classes; c++) {
      const p = scores[c]!
      const residual = weight * (p - y[c]!)
      curvature[c]! += weight * p * (1 - p)
      biasGradient[c]! += residual
      for (let j = 0; j < dimension; j++) gradient[c * dimension + j]! += residual * x[j]!
    }
  }
  return { loss, gradient, biasGradient, curvature }
}

/** Turns scores into probabilities in place and returns the cross-entropy. */
function softmaxLoss(scores: Float64Array, y: Float32Array): number {
  let highest = -Infinity
  for (const score of scores) highest = Math.max(highest, score)
  let total = 0
  for (const score of scores) total += Math.exp(score - highest)
  const logTotal = highest + Math.log(total)
  let loss = 0
  for (let c = 0; c < scores.length; c++) {
    loss -= y[c]! * (scores[c]! - logTotal)
    scores[c] = Math.exp(scores[c]! - logTotal)
  }
  return loss
}

function sigmoidLoss(scores: Float64Array, y: Float32Array): number {
  let loss = 0
  for (let c = 0; c < scores.length; c++) {
    const score = scores[c]!
    loss += Math.max(score, 0) + Math.log1p(Math.exp(-Math.abs(score))) - y[c]! * score
    scores[c] = 1 / (1 + Math.exp(-score))
  }
  return loss
}

function findNearest(queries: Matrix, keys: Matrix, limit: number): NearestRows {
  const k = Math.min(limit, keys.rows)
  const similarities = new Float32Array(queries.rows * k)
  const indices = new Int32Array(queries.rows * k)
  const row = new Float32Array(keys.rows)
  for (let q = 0; q < queries.rows; q++) {
    const x = queries.data.subarray(q * queries.columns, (q + 1) * queries.columns)
    for (let i = 0; i < keys.rows; i++) {
      let sum = 0
      for (let j = 0; j < keys.columns; j++) sum += x[j]! * keys.data[i * keys.columns + j]!
      row[i] = sum
    }
    selectLargest(
      row,
      similarities.subarray(q * k, (q + 1) * k),
      indices.subarray(q * k, (q + 1) * k),
    )
  }
  return { similarities, indices, k }
}
