import { studentQuantile } from '../../lib/maths/distributions.ts'
import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { rowLikelihoods, toProbabilities } from '../evaluation/probabilities.ts'
import type { Problem } from './problem.ts'

/** From so many held-out rows on the likeliest setting is taken as it is. */
const FEW_ROWS = 500
/** Two-sided level of a difference that counts as clear. */
const CLEAR_LEVEL = 0.95
/**
 * Nats by which all held-out rows together must be likelier for a difference to be clear, as odds of 55 to 1 against it.
 * A spread that is estimated on four or ten rows is too small too often.
 */
const CLEAR_NATS = 4

/** A setting that was tried, with its scores of the held-out rows. */
export interface Attempt {
  readonly scores: Matrix
  readonly temperature: number
  readonly nll: number
}

/** The mean gain of one over another, row by row, with its standard error; infinite for fewer than two rows. */
export interface Gain {
  readonly mean: number
  readonly error: number
  readonly rows: number
}

/** How much lower the losses of `other` are than those of `one`, both of shape [held out]. */
export function measureGain(one: Float64Array, other: Float64Array): Gain {
  const rows = one.length
  const gains = one.map((loss, i) => loss - other[i]!)
  const mean = rows === 0 ? 0 : gains.reduce((sum, gain) => sum + gain, 0) / rows
  if (rows < 2) return { mean, error: Number.POSITIVE_INFINITY, rows }
  const squares = gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0)
  return { mean, error: Math.sqrt(squares / (rows - 1) / rows), rows }
}

/** Whether a gain of likelihood lies beyond its paired t interval and is enough in sum. */
export function isClearGain({ mean, error, rows }: Gain): boolean {
  if (rows < 2) return false
  const width = studentQuantile((1 + CLEAR_LEVEL) / 2, rows - 1)
  return mean > Math.max(width * error, CLEAR_NATS / rows)
}

/** Negative log-likelihood of every held-out row, shape [held out]. */
export function lossesOf({ truth, activation }: Problem, probabilities: Matrix): Float64Array {
  return rowLikelihoods(probabilities, truth, activation)
}

/** Whether settings are few enough rows apart that more shrinkage is preferred. */
export function prefersShrinkage({ heldOut, activation }: Problem): boolean {
  return activation === 'softmax' && heldOut.length < FEW_ROWS
}

/**
 * The attempt with the most shrinkage whose held-out loss is within one paired standard error of the least (Hastie,
 * Tibshirani and Friedman, "The Elements of Statistical Learning", 7.10). `attempts` have the most shrinkage first.
 */
export function pickShrunk<A extends Attempt>(problem: Problem, attempts: readonly A[]): A {
  const likeliest = pickLikeliest(attempts)
  const losses = (attempt: Attempt): Float64Array =>
    lossesOf(problem, toProbabilities(attempt.scores, attempt.temperature, problem.activation))
  const least = losses(likeliest)
  return (
    attempts.find((attempt) => {
      if (attempt === likeliest) return true
      const { mean, error, rows } = measureGain(losses(attempt), least)
      return rows > 1 && mean <= error
    }) ?? likeliest
  )
}

/** The attempt of least held-out loss, the first of several. */
export function pickLikeliest<A extends Pick<Attempt, 'nll'>>(attempts: readonly A[]): A {
  return attempts.reduce((a, b) => (b.nll < a.nll ? b : a))
}
