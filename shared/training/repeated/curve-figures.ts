import { studentQuantile } from '../../lib/maths/distributions.ts'
import { sameSet } from '../evaluation/answers.ts'
import {
  ALPHA,
  exactInterval,
  type Interval,
  resampledShareInterval,
} from '../evaluation/intervals.ts'

/** Accuracy at a number of rows that were learnt, with its 95 % interval over test rows and draws. */
export interface CurveFigure {
  readonly accuracy: number
  readonly interval: Interval
}

/** Right answers of a number of rows. */
export interface Share {
  readonly right: number
  readonly rows: number
}

/** One fit, and what it answered. */
export interface Run extends Share {
  readonly learnt: number
}

/** Of one fit on rows that nothing was chosen by. */
export function figureOf({ right, rows }: Share): CurveFigure {
  return { accuracy: right / rows, interval: exactInterval(right, rows) }
}

/** Counts what one fit answered rightly. */
export function judge(
  learnt: number,
  said: readonly (readonly number[])[],
  truth: readonly (readonly number[])[],
): Run {
  const right = truth.filter((labels, row) => sameSet(said[row]!, labels)).length
  return { learnt, right, rows: truth.length }
}

/** Mean accuracy of draws on the same rows: the exact interval of these rows and the t interval of the draws, added as independent. */
export function summariseDraws(runs: readonly Run[]): CurveFigure {
  const { rows } = runs[0]!
  const shares = runs.map(({ right }) => right / rows)
  const accuracy = shares.reduce((sum, share) => sum + share, 0) / runs.length
  const { low, high, method } = exactInterval(accuracy * rows, rows)
  const freedom = runs.length - 1
  const squares = shares.reduce((sum, share) => sum + (share - accuracy) ** 2, 0)
  const error = freedom === 0 ? 0 : Math.sqrt(squares / freedom / runs.length)
  const reach = freedom === 0 ? 0 : studentQuantile(1 - ALPHA / 2, freedom) * error
  return {
    accuracy,
    interval: {
      low: Math.max(0, accuracy - Math.hypot(accuracy - low, reach)),
      high: Math.min(1, accuracy + Math.hypot(high - accuracy, reach)),
      method,
    },
  }
}

/** Accuracy over all rows that the folds held out. */
export function summariseFolds(runs: readonly Run[]): CurveFigure {
  const rows = runs.reduce((sum, run) => sum + run.rows, 0)
  const shares = runs.map((run) => run.right / run.rows)
  const testPerTrain = runs.reduce((sum, run) => sum + run.rows / run.learnt, 0) / runs.length
  return {
    accuracy: shares.reduce((sum, share) => sum + share, 0) / runs.length,
    interval: resampledShareInterval(shares, testPerTrain, rows),
  }
}
