import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { fromBasis } from '../numerics/basis.ts'
import type { LinearFit } from '../numerics/linear-fit.ts'
import { type Candidate, calibrate, type LinearCandidate, singleCandidate } from './candidates.ts'
import { type Attempt, pickShrunk, prefersShrinkage } from './held-out-losses.ts'
import { fitLogistic, type LogisticFit } from './logistic.ts'
import type { MethodRun } from './method.ts'
import { type Problem, scoreHeldOut } from './problem.ts'

/** Half decades from 1e-1 to 1e-7: the optimum lies inside for all data seen, few rows or many. */
export const LAMBDAS: readonly number[] = Array.from({ length: 13 }, (_, i) => 10 ** (-1 - i / 2))
/** Selection compares fits; the last digits of a coefficient do not change its choice. */
const SELECTION_TOLERANCE = 1e-4
/** The name of a fit with rows weighed by class. */
export const WEIGHTED = 'balanced-softmax'
/** A path ends when the likelihood has been worse than its best for this many values. */
const PATIENCE = 2

/** Multinomial logistic regression; with several labels a row, an independent one for each label. */
export async function makeCandidate({ problem, weighted }: MethodRun): Promise<Candidate> {
  const shrunk = prefersShrinkage(problem)
  const candidate = singleCandidate(problem, await selectLogistic(problem, { weighted, shrunk }))
  return problem.activation === 'sigmoid' ? { ...candidate, name: 'sigmoid' } : candidate
}

/** The same with rows weighed so that classes count alike, whatever the run says. */
export async function makeWeighted({ problem }: MethodRun): Promise<Candidate> {
  const shrunk = prefersShrinkage(problem)
  return singleCandidate(problem, await selectLogistic(problem, { weighted: true, shrunk }))
}

export interface LogisticChoice {
  readonly lambdas?: readonly number[]
  /**
   * Weighs rows as scikit-learn's `class_weight='balanced'` does. The log prior, which such a fit does not have, is added
   * to its scores, so that they are as likely as those of other methods. @default false
   */
  readonly weighted?: boolean
  /** Takes the strongest lambda within a standard error of the best. @default false */
  readonly shrunk?: boolean
}

/** Logistic regression, lambda by cross-validated likelihood along a warm-started path. */
export async function selectLogistic(
  problem: Problem,
  { lambdas = LAMBDAS, weighted = false, shrunk = false }: LogisticChoice = {},
): Promise<LinearCandidate> {
  const fits: (LogisticFit | undefined)[] = []
  let best: LogisticAttempt | null = null
  const attempts: LogisticAttempt[] = []
  const offset = weighted ? logShares(problem.groups, problem.classes) : null
  let worse = 0
  for (const lambda of lambdas) {
    const scores = await scoreHeldOut(problem, async (fold, index) => {
      const rows = {
        features: fold.trainCoordinates,
        targets: fold.trainTargets,
        rowWeights: weigh(fold.trainGroups, problem.classes, weighted),
        activation: problem.activation,
      }
      const options = { lambda, start: fits[index], tolerance: SELECTION_TOLERANCE }
      const fit = await fitLogistic(problem.kernels, rows, options)
      fits[index] = fit
      return fit
    })
    const fitted = calibrate(problem, scores, best?.temperature, offset)
    const attempt = { lambda, ...fitted, scores: addOffset(scores, fitted.temperature, offset) }
    // Many rows take much memory, and the best of them alone is of use.
    if (shrunk) attempts.push(attempt)
    if (!best || fitted.nll < best.nll) {
      best = attempt
      worse = 0
    } else if (++worse === PATIENCE) break
  }
  if (!best) throw new RangeError('no lambda to choose from')
  const { lambda, ...rest } = shrunk ? pickShrunk(problem, attempts) : best
  return {
    method: weighted ? WEIGHTED : 'softmax',
    parameters: { lambda },
    ...rest,
    fit: async (all) => {
      const { weights, bias } = await fitPath(all, lambda, weighted)
      if (!weighted) return { weights, bias }
      const shares = logShares(all.groups, all.classes)
      return { weights, bias: bias.map((value, c) => value + rest.temperature * shares[c]!) }
    },
  }
}

interface LogisticAttempt extends Attempt {
  readonly lambda: number
}

function addOffset(scores: Matrix, temperature: number, offset: Float64Array | null): Matrix {
  if (offset === null) return scores
  const { columns } = scores
  const data = scores.data.map((score, i) => score + temperature * offset[i % columns]!)
  return { ...scores, data }
}

/** The exact fit of all rows, reached along the path so that each step starts near its end. */
async function fitPath(problem: Problem, lambda: number, weighted: boolean): Promise<LinearFit> {
  const { kernels, coordinates: features, targets, activation } = problem
  const rowWeights = weigh(problem.groups, problem.classes, weighted)
  const rows = { features, targets, rowWeights, activation }
  let start: LogisticFit | undefined
  for (const step of LAMBDAS.filter((value) => value > lambda * 1.01)) {
    start = await fitLogistic(kernels, rows, { lambda: step, start, tolerance: 1e-3 })
  }
  const fit = await fitLogistic(kernels, rows, { lambda, start, tolerance: 1e-8 })
  return fromBasis(problem.basis, fit)
}

/** Weights of rows that sum to 1; with `weighted` every class that has rows sums to the same. */
export function weigh(groups: Int32Array, classes: number, weighted: boolean): Float32Array {
  if (!weighted) return new Float32Array(groups.length).fill(1 / groups.length)
  const counts = countRows(groups, classes)
  const present = counts.filter((count) => count > 0).length
  return Float32Array.from(groups, (group) => 1 / (present * counts[group]!))
}

function logShares(groups: Int32Array, classes: number): Float64Array {
  // A class without rows is as rare as can be: the fit of a part of the rows may lack one.
  return countRows(groups, classes).map((count) => Math.log(Math.max(count, 1) / groups.length))
}

function countRows(groups: Int32Array, classes: number): Float64Array {
  const counts = new Float64Array(classes)
  for (const group of groups) counts[group] = counts[group]! + 1
  return counts
}
