import { createRandom } from '../../lib/maths/random.ts'
import type { SparseRows } from './hashed-features.ts'

/** What is fitted to. */
export interface SparseProblem {
  readonly rows: SparseRows
  readonly features: number
  /** Labels of each row, numbers below `labels`. */
  readonly truth: readonly (readonly number[])[]
  readonly labels: number
  /** Labels exclude each other, or each is a decision of its own. */
  readonly activation: 'softmax' | 'sigmoid'
  readonly seed: number
}

/** Probabilities of one row at a time. */
export interface SparseClassifier {
  /** Shape [labels]; overwritten by the next call. */
  probabilities(rows: SparseRows, row: number): Float64Array
}

/** Steps over single rows that a fit makes: few rows are gone over often, many a few times. */
const STEPS = 10_000
const FEWEST_EPOCHS = 4
const MOST_EPOCHS = 15
const RATE = 1
/** Errors smaller than this change no weight: late passes over rows that are right cost little. */
const SMALL = 1e-3

/**
 * Logistic regression on sparse rows by stochastic gradient steps whose size shrinks for each feature with the
 * gradients it has seen (AdaGrad, Duchi et al. 2011, one sum a feature). Bounded by its passes; the same rows and seed
 * give the same weights.
 */
export function fitSparseLogistic(problem: SparseProblem): SparseClassifier {
  const { rows, features, truth, labels, activation, seed } = problem
  const weights = new Float32Array(features * labels)
  const bias = new Float64Array(labels)
  const seen = new Float64Array(features).fill(1e-6)
  let seenBias = 1
  const out = new Float64Array(labels)
  const classify = (from: SparseRows, row: number): Float64Array => {
    out.set(bias)
    for (let at = from.starts[row]!; at < from.starts[row + 1]!; at++) {
      const value = from.values[at]!
      const start = from.indices[at]! * labels
      for (let label = 0; label < labels; label++) {
        out[label] = out[label]! + value * weights[start + label]!
      }
    }
    return activation === 'softmax' ? softmax(out) : sigmoid(out)
  }
  const random = createRandom(seed)
  const count = truth.length
  const epochs = Math.min(Math.max(Math.round(STEPS / count), FEWEST_EPOCHS), MOST_EPOCHS)
  const order = Int32Array.from({ length: count }, (_, row) => row)
  const touched = new Int32Array(labels)
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const row of random.shuffle(order)) {
      const error = classify(rows, row)
      for (const label of truth[row]!) error[label] = error[label]! - 1
      let size = 0
      let wrong = 0
      for (let label = 0; label < labels; label++) {
        if (Math.abs(error[label]!) < SMALL) continue
        touched[wrong++] = label
        size += error[label]! ** 2
      }
      if (wrong === 0) continue
      seenBias += size
      for (let i = 0; i < wrong; i++) {
        const label = touched[i]!
        bias[label] = bias[label]! - (RATE / Math.sqrt(seenBias)) * error[label]!
      }
      for (let at = rows.starts[row]!; at < rows.starts[row + 1]!; at++) {
        const feature = rows.indices[at]!
        const value = rows.values[at]!
        seen[feature] = seen[feature]! + value * value * size
        const step = (RATE * value) / Math.sqrt(seen[feature]!)
        const start = feature * labels
        for (let i = 0; i < wrong; i++) {
          const at = start + touched[i]!
          weights[at] = weights[at]! - step * error[touched[i]!]!
        }
      }
    }
  }
  return { probabilities: classify }
}

function softmax(scores: Float64Array): Float64Array {
  let highest = Number.NEGATIVE_INFINITY
  for (const score of scores) highest = Math.max(highest, score)
  let total = 0
  for (let i = 0; i < scores.length; i++) {
    scores[i] = Math.exp(scores[i]! - highest)
    total += scores[i]!
  }
  for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / total
  return scores
}

function sigmoid(scores: Float64Array): Float64Array {
  for (let i = 0; i < scores.length; i++) scores[i] = 1 / (1 + Math.exp(-scores[i]!))
  return scores
}
