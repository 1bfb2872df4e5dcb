import { createRandom } from '../../lib/maths/random.ts'
import { sampleRows } from '../numerics/folds.ts'
import { type CountFeatures, createFeatureHasher } from './hashed-features.ts'
import { fitSparseLogistic } from './sparse-logistic.ts'

/** Rows with labels: texts where there are any, and the labels of each as numbers from 0. */
export interface LabelledRows {
  readonly texts: readonly string[]
  readonly truth: readonly (readonly number[])[]
  readonly labels: number
  /** Rows may have several labels, or none. */
  readonly multiLabel: boolean
}

/** Rows that it learns from at most, a stratified draw of more. */
const MAX_ROWS = 10_000
/** Hashed features: the most, and the least that labels without end leave. */
const MAX_FEATURES = 2 ** 16
const FEWEST_FEATURES = 2 ** 10
/** Weights of a fit: 32 MB. */
const MAX_WEIGHTS = 2 ** 23
/** Multiplications of a pass over the rows, by labels and rows: with more labels it learns from fewer rows. */
const MAX_WORK = 2_000_000
const FEWEST_ROWS_A_LABEL = 2

/**
 * TF-IDF of hashed words and pieces of words with logistic regression: what is reached without a pretrained encoder.
 * Null where there are so many labels that bounded work leaves fewer than two rows for each.
 */
export function answerByTfIdf(
  learnt: LabelledRows,
  asked: readonly string[],
  seed: number,
  count?: CountFeatures | undefined,
): readonly (readonly number[])[] | null {
  const { labels } = learnt
  const most = Math.min(MAX_ROWS, Math.floor(MAX_WORK / labels))
  if (most < FEWEST_ROWS_A_LABEL * labels && most < learnt.texts.length) return null
  const activation = learnt.multiLabel ? 'sigmoid' : 'softmax'
  const first = Int32Array.from(learnt.truth, (each) => each[0] ?? labels)
  const kept = [...sampleRows(first, most, createRandom(seed))]
  const texts = kept.map((row) => learnt.texts[row]!)
  const features = featuresFor(labels)
  const hasher = createFeatureHasher(texts, features, count)
  const truth = kept.map((row) => learnt.truth[row]!)
  const rows = hasher.transform(texts)
  const fit = fitSparseLogistic({ rows, features, truth, labels, activation, seed })
  const others = hasher.transform(asked)
  return asked.map((_, row) => decide(fit.probabilities(others, row), activation))
}

function featuresFor(labels: number): number {
  let features = MAX_FEATURES
  while (features > FEWEST_FEATURES && features * labels > MAX_WEIGHTS) features /= 2
  return features
}

function decide(probabilities: Float64Array, activation: 'softmax' | 'sigmoid'): number[] {
  if (activation === 'softmax') {
    let best = 0
    for (let i = 1; i < probabilities.length; i++) {
      if (probabilities[i]! > probabilities[best]!) best = i
    }
    return [best]
  }
  return [...probabilities.keys()].filter((label) => probabilities[label]! >= 0.5)
}
