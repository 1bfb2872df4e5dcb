import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { fromBasis } from '../numerics/basis.ts'
import type { LinearFit } from '../numerics/linear-fit.ts'
import { type Candidate, calibrate, type LinearCandidate, singleCandidate } from './candidates.ts'
import { fitLogistic, type LogisticFit } from './logistic.ts'
import type { MethodRun } from './method.ts'
import { type Problem, scoreHeldOut } from './problem.ts'

/** Half decades from 1e-1 to 1e-7: the optimum lies inside for all data seen, few rows or many. */
export const LAMBDAS: readonly number[] = Array.from({ length: 13 }, (_, i) => 10 ** (-1 - i / 2))
/** Selection compares fits; the last digits of a coefficient do not change its choice. */
const SELECTION_TOLERANCE = 1e-4
/** A path ends when the likelihood has been worse than its best for this many values. */
const PATIENCE = 2

/** Multinomial logistic regression; with several labels a row, an independent one for each label. */
export async function makeCandidate({ problem }: MethodRun): Promise<Candidate> {
  const candidate = singleCandidate(problem, await selectLogistic(problem))
  return problem.activation === 'sigmoid' ? { ...candidate, name: 'sigmoid' } : candidate
}

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

function evenWeights(rows: number): Float32Array {
  return new Float32Array(rows).fill(1 / rows)
}
