import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import type { LinearFit } from './logistic.ts'

/** The cosine of a class without rows: below every real one. */
const ABSENT_SCORE = -2

/** Nearest class mean by cosine: the score of a class is the cosine of the embedding and the class mean. */
export function fitNearestMeans(rows: Matrix, groups: Int32Array, classes: number): LinearFit {
  const { data, columns: d } = rows
  const weights = new Float64Array(classes * d)
  for (let i = 0; i < rows.rows; i++) {
    const from = groups[i]! * d
    for (let j = 0; j < d; j++) weights[from + j] = weights[from + j]! + data[i * d + j]!
  }
  const bias = new Float64Array(classes)
  for (let c = 0; c < classes; c++) {
    const mean = weights.subarray(c * d, (c + 1) * d)
    const norm = Math.hypot(...mean)
    if (norm === 0) bias[c] = ABSENT_SCORE
    else for (let j = 0; j < d; j++) mean[j] = mean[j]! / norm
  }
  return { weights, bias }
}
