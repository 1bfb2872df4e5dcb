import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { fitTemperature } from '../evaluation/calibration.ts'
import { type Problem, scoreHeldOut, scoreLinear } from '../problem.ts'
import { takeRows, takeValues } from '../rows.ts'
import { fromBasis } from './basis.ts'
import { type ClassGaussians, fitLda } from './gaussian.ts'
import { fitLogistic, type LinearFit, type LogisticFit } from './logistic.ts'
import { fitNearestMeans } from './nearest-means.ts'
import { selectRidge } from './ridge.ts'

/** A linear method with the setting that cross-validation chose. */
export interface LinearCandidate {
  readonly method: string
  readonly parameters: Readonly<Record<string, number>>
  /** Scores of the held-out rows, before the temperature; shape [held out, classes]. */
  readonly scores: Matrix
  readonly temperature: number
  /** Mean negative log-likelihood of the held-out rows at that temperature. */
  readonly nll: number
  /** Fits all rows of a problem, in the coordinates of the embedding. */
  fit(problem: Problem): Promise<LinearFit>
}

/** Half decades from 1e-1 to 1e-7: the optimum lies inside for all data seen, few rows or many. */
export const LAMBDAS: readonly number[] = Array.from({ length: 13 }, (_, i) => 10 ** (-1 - i / 2))
/** Shrinkages tried beside Ledoit and Wolf's. */
const SHRINKAGES = [0.2, 0.5, 0.8, 0.95] as const
const ALPHAS = Array.from({ length: 11 }, (_, i) => 10 ** (-2 + i / 2))
/** Selection compares fits; the last digits of a coefficient do not change its choice. */
const SELECTION_TOLERANCE = 1e-4
/** A path ends when the likelihood has been worse than its best for this many values. */
const PATIENCE = 2

/** Logistic regression, lambda by cross-validated likelihood along a warm-started path. */
export async function selectLogistic(
  problem: Problem,
  lambdas: readonly number[] = LAMBDAS,
): Promise<LinearCandidate> {
  const fits: (LogisticFit | undefined)[] = []
  let best: { lambda: number; scores: Matrix; temperature: number; nll: number } | null = null
  let worse = 0
  for (const lambda of lambdas) {
    const scores = await scoreHeldOut(problem, async (fold, index) => {
      const rows = {
        features: fold.trainCoordinates,
        targets: fold.trainTargets,
        rowWeights: evenWeights(fold.train.length),
        activation: problem.activation,
      }
      const options = { lambda, start: fits[index], tolerance: SELECTION_TOLERANCE }
      const fit = await fitLogistic(problem.kernels, rows, options)
      fits[index] = fit
      return fit
    })
    const fitted = calibrate(problem, scores, best?.temperature)
    if (!best || fitted.nll < best.nll) {
      best = { lambda, scores, ...fitted }
      worse = 0
    } else if (++worse === PATIENCE) break
  }
  if (!best) throw new RangeError('no lambda to choose from')
  const { lambda, ...rest } = best
  return { method: 'softmax', parameters: { lambda }, ...rest, fit: (all) => fitPath(all, lambda) }
}

/** The exact fit of all rows, reached along the path so that each step starts near its end. */
async function fitPath(problem: Problem, lambda: number): Promise<LinearFit> {
  const { kernels, coordinates: features, targets, activation } = problem
  const rowWeights = evenWeights(features.rows)
  const rows = { features, targets, rowWeights, activation }
  let start: LogisticFit | undefined
  for (const step of LAMBDAS.filter((value) => value > lambda * 1.01)) {
    start = await fitLogistic(kernels, rows, { lambda: step, start, tolerance: 1e-3 })
  }
  const fit = await fitLogistic(kernels, rows, { lambda, start, tolerance: 1e-8 })
  return fromBasis(problem.basis, fit)
}

interface LdaAttempt {
  /** Null for Ledoit and Wolf's. */
  readonly shrinkage: number | null
  readonly scores: Matrix
  readonly temperature: number
  readonly nll: number
}

/** Linear discriminant analysis, shrinkage by cross-validated likelihood. */
export async function selectLda(problem: Problem): Promise<LinearCandidate> {
  const gaussians: ClassGaussians[] = []
  for (const { trainCoordinates, trainGroups } of problem.folds) {
    gaussians.push(await measure(problem, trainCoordinates, trainGroups))
  }
  const attempt = async (shrinkage: number | null): Promise<LdaAttempt> => {
    const scores = await scoreHeldOut(problem, async (_fold, index) =>
      fitShrunk(problem, gaussians[index]!, shrinkage),
    )
    return { shrinkage, scores, ...calibrate(problem, scores) }
  }
  const [little, some, much, most] = SHRINKAGES
  const attempts = [await attempt(null), await attempt(some), await attempt(much)]
  // The likelihood has one peak along the shrinkage: only the side that rises is looked at.
  attempts.push(await attempt(attempts[2]!.nll < attempts[1]!.nll ? most : little))
  const { shrinkage, ...rest } = attempts.reduce((a, b) => (b.nll < a.nll ? b : a))
  const whole = async (all: Problem) => await measure(all, all.coordinates, all.groups)
  const chosen = shrinkage ?? (await whole(problem)).ledoitWolf
  return {
    method: 'lda',
    parameters: { shrinkage: chosen },
    ...rest,
    fit: async (all) => fromBasis(all.basis, fitShrunk(all, await whole(all), shrinkage)),
  }
}

function measure(problem: Problem, rows: Matrix, groups: Int32Array): Promise<ClassGaussians> {
  return problem.gaussians.measure(rows, groups, problem.classes)
}

function fitShrunk(
  problem: Problem,
  gaussians: ClassGaussians,
  shrinkage: number | null,
): LinearFit {
  return fitLda(gaussians, problem.gaussians.factor(gaussians, shrinkage ?? gaussians.ledoitWolf))
}

/** Ridge regression, alpha by the closed-form leave-one-out error. */
export async function selectRidgeCandidate(problem: Problem): Promise<LinearCandidate> {
  const { kernels, coordinates, basis, targets } = problem
  const found = await selectRidge(kernels, coordinates, basis.energies, targets, ALPHAS)
  const scores = takeRows(found.leaveOneOut, problem.heldOut)
  return {
    method: 'ridge',
    parameters: { alpha: found.alpha },
    scores,
    ...calibrate(problem, scores, 0.1),
    async fit(all) {
      const energies = all.basis.energies
      const alphas = [found.alpha]
      const fit = await selectRidge(all.kernels, all.coordinates, energies, all.targets, alphas)
      return fromBasis(all.basis, fit)
    },
  }
}

/** Nearest class mean by cosine: no setting to choose. */
export async function selectNearestMeans(problem: Problem): Promise<LinearCandidate> {
  const { kernels, rows, groups, classes } = problem
  const data = new Float32Array(problem.heldOut.length * classes)
  for (const fold of problem.folds) {
    const fit = fitNearestMeans(takeRows(rows, fold.train), takeValues(groups, fold.train), classes)
    const scores = await scoreLinear(kernels, takeRows(rows, fold.test), fit)
    data.set(scores.data, fold.offset * classes)
  }
  const scores = { data, rows: problem.heldOut.length, columns: classes }
  return {
    method: 'ncm',
    parameters: {},
    scores,
    ...calibrate(problem, scores, 0.05),
    fit: async (all) => fitNearestMeans(all.rows, all.groups, all.classes),
  }
}

/** Temperature and likelihood of held-out scores; without any such row the temperature stays at `start`. */
export function calibrate(problem: Problem, scores: Matrix, start = 1) {
  if (scores.rows === 0) return { temperature: start, nll: 0 }
  return fitTemperature({ scores, truth: problem.truth, activation: problem.activation }, start)
}

function evenWeights(rows: number): Float32Array {
  return new Float32Array(rows).fill(1 / rows)
}
