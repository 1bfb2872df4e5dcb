import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { fromBasis } from '../numerics/basis.ts'
import { solveLower, solveLowerTransposed } from '../numerics/cholesky.ts'
import { type ClassGaussians, type SharedFactor, transpose } from '../numerics/gaussian.ts'
import type { LinearFit } from '../numerics/linear-fit.ts'
import { type Candidate, calibrate, type LinearCandidate, singleCandidate } from './candidates.ts'
import { pickLikeliest, pickShrunk, prefersShrinkage } from './held-out-losses.ts'
import type { MethodRun } from './method.ts'
import { type Problem, scoreHeldOut } from './problem.ts'

/** Shrinkages tried beside Ledoit and Wolf's. */
const SHRINKAGES = [0.2, 0.5, 0.8, 0.95] as const
/** The score of a class without rows: below anything a class with rows can reach. */
const ABSENT_SCORE = -1e6

/** Linear discriminant analysis. */
export async function makeCandidate({ problem }: MethodRun): Promise<Candidate> {
  return singleCandidate(problem, await selectLda(problem))
}

interface LdaAttempt {
  /** Null for Ledoit and Wolf's. */
  readonly shrinkage: number | null
  readonly scores: Matrix
  readonly temperature: number
  readonly nll: number
}

/** Linear discriminant analysis, shrinkage by cross-validated likelihood. */
async function selectLda(problem: Problem): Promise<LinearCandidate> {
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
  const whole = async (all: Problem) => await measure(all, all.coordinates, all.groups)
  const { ledoitWolf } = await whole(problem)
  const isFew = prefersShrinkage(problem)
  // The likelihood has one peak along the shrinkage: with many rows only the side that rises is looked at.
  const isRising = attempts[2]!.nll < attempts[1]!.nll
  if (isFew || isRising) attempts.push(await attempt(most))
  if (isFew || !isRising) attempts.push(await attempt(little))
  const strength = ({ shrinkage }: LdaAttempt): number => shrinkage ?? ledoitWolf
  const { shrinkage, ...rest } = isFew
    ? pickShrunk(
        problem,
        attempts.sort((a, b) => strength(b) - strength(a)),
      )
    : pickLikeliest(attempts)
  const chosen = shrinkage ?? ledoitWolf
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
  const factor = problem.gaussians.factor(gaussians, shrinkage ?? gaussians.ledoitWolf)
  return correctFreedom(gaussians, fitLda(gaussians, factor))
}

/**
 * The same with the covariance over the degrees of freedom that the class means leave, and not over the rows. With two
 * rows a class it is twice as wide, and folds, which have fewer rows a class, give scores on the scale of all rows.
 */
function correctFreedom(gaussians: ClassGaussians, { weights, bias }: LinearFit): LinearFit {
  const { counts, isAssumed } = gaussians
  if (isAssumed) return { weights, bias }
  const total = counts.reduce((sum, count) => sum + count, 0)
  const present = counts.filter((count) => count > 0).length
  const scale = Math.max(total - present, 1) / total
  return {
    weights: weights.map((weight) => scale * weight),
    bias: bias.map((value, c) => {
      if (counts[c] === 0) return value
      const prior = Math.log(counts[c]! / total)
      return scale * (value - prior) + prior
    }),
  }
}

/**
 * Linear discriminant analysis: W = S⁻¹ mean, b = -mean·S⁻¹·mean / 2 + log prior
 * (scikit-learn's `LinearDiscriminantAnalysis(solver='lsqr', shrinkage=…)`).
 */
export function fitLda(gaussians: ClassGaussians, { lower }: SharedFactor): LinearFit {
  const { means, counts, dimension: d, classes } = gaussians
  const solved = transpose(means, classes, d)
  solveLower(lower, solved, classes)
  solveLowerTransposed(lower, solved, classes)
  const weights = transpose(solved, d, classes)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const bias = new Float64Array(classes)
  for (let c = 0; c < classes; c++) {
    let product = 0
    for (let j = 0; j < d; j++) product += weights[c * d + j]! * means[c * d + j]!
    bias[c] = counts[c]! > 0 ? Math.log(counts[c]! / total) - product / 2 : ABSENT_SCORE
  }
  return { weights, bias }
}
