import type { Evaluation } from '../optimise/early-stopping.ts'
import { weighPairs } from '../rows/pairs.ts'
import { countRight, groupsOf, takeTargets } from '../rows/targets.ts'
import type { LabelledTexts } from '../types.ts'
import { embedRows, type JudgedRows, type Scorer, type WeightInputs } from './evaluate-rows.ts'

/**
 * Judges embeddings that have no head yet: the contrastive loss over pairs of the rows, and how many rows
 * are nearest to the mean of their own label's training rows.
 */
export async function evaluateNeighbours(
  scorer: Scorer,
  weights: WeightInputs,
  train: JudgedRows,
  judged: JudgedRows,
): Promise<Evaluation | null> {
  const count = judged.rows.texts.length
  if (count === 0) return null
  const means = meansOf(await embedRows(scorer, weights, train), train.rows)
  const embeddings = await embedRows(scorer, weights, judged)
  const groups = groupsOf(judged.rows)
  const dimension = embeddings.length / count
  const { classes } = judged.rows
  const scores = new Float32Array(count * classes)
  for (let row = 0; row < count; row++) {
    for (let c = 0; c < classes; c++) {
      scores[row * classes + c] = cosine(embeddings, row, means, c, dimension)
    }
  }
  const all = Int32Array.from(groups, (_, row) => row)
  const right = countRight(scores, takeTargets(judged.rows, all), false)
  return { loss: pairLoss(embeddings, groups, dimension), accuracy: right / count }
}

/** Normalised mean embedding of each label's rows, shape [classes, dimension]; zeros for a label without. */
export function meansOf(embeddings: Float32Array, rows: LabelledTexts): Float32Array {
  const { classes, targets, texts } = rows
  const dimension = embeddings.length / texts.length
  const means = new Float32Array(classes * dimension)
  for (let row = 0; row < texts.length; row++) {
    for (let c = 0; c < classes; c++) {
      if (targets[row * classes + c] !== 1) continue
      for (let i = 0; i < dimension; i++) {
        means[c * dimension + i] =
          (means[c * dimension + i] as number) + (embeddings[row * dimension + i] as number)
      }
    }
  }
  for (let c = 0; c < classes; c++) {
    const mean = means.subarray(c * dimension, (c + 1) * dimension)
    const norm = Math.hypot(...mean)
    if (norm > 0) for (let i = 0; i < dimension; i++) mean[i] = (mean[i] as number) / norm
  }
  return means
}

function pairLoss(embeddings: Float32Array, groups: Int32Array, dimension: number): number {
  const { targets, weights } = weighPairs(
    Int32Array.from(groups, (_, row) => row),
    groups,
  )
  const n = groups.length
  let sum = 0
  let total = 0
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const weight = weights[i * n + j] as number
      if (weight === 0) continue
      const error = cosine(embeddings, i, embeddings, j, dimension) - (targets[i * n + j] as number)
      sum += weight * error * error
      total += weight
    }
  }
  return total === 0 ? 0 : sum / total
}

function cosine(
  a: Float32Array,
  row: number,
  b: Float32Array,
  column: number,
  dimension: number,
): number {
  let sum = 0
  for (let i = 0; i < dimension; i++) {
    sum += (a[row * dimension + i] as number) * (b[column * dimension + i] as number)
  }
  return sum
}
