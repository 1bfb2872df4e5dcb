import type { Head } from '../head/head.ts'
import type { MatrixKernels } from '../lib/maths/matrix-kernels.ts'
import { assembleHead, subsetOf } from './assemble-head.ts'
import type { CheckedSet } from './check-set.ts'
import type { Candidate } from './methods/candidates.ts'
import { createProblem, type Problem } from './methods/problem.ts'
import { GaussianCache } from './numerics/gaussian.ts'
import { takeRows } from './numerics/rows.ts'
import type { TrainingSet, TrainOptions } from './types.ts'

/** Fits a head without a detector to some of the rows, ascending, by the method and settings that all rows chose. */
export type Refit = (rows: Int32Array) => Promise<Head>

/** What was chosen on all rows. */
export interface Choice {
  readonly kernels: MatrixKernels
  readonly checked: CheckedSet
  readonly problem: Problem
  readonly chosen: Candidate
  readonly settings: Parameters<typeof createProblem>[2]
}

// Parts of the rows may have classes of equal rows where all have not.
const PART = { folds: 0, assumesVariance: true } as const

/** Fits to parts of the rows of a set by what was chosen on all of them. */
export function createRefit(set: TrainingSet, options: TrainOptions, choice: Choice): Refit {
  const { kernels, checked, problem, chosen, settings } = choice
  // Its closed form needs coordinates that are centred on the rows themselves.
  const isCentred = chosen.parts.some(({ candidate }) => candidate.method === 'ridge')
  return async (rows) => {
    const part = subsetOf(checked, rows)
    const fitted =
      isCentred || !isWholeOf(problem, checked)
        ? await createProblem(kernels, part, { ...settings, ...PART })
        : takePart(problem, part, rows)
    return assembleHead(
      set,
      options,
      { checked: part, ...takeHeldOut(chosen, problem, rows) },
      fitted,
    )
  }
}

/** What was held out of some rows alone: thresholds must not come from rows that are to be answered. */
function takeHeldOut(chosen: Candidate, problem: Problem, rows: Int32Array) {
  const known = new Set(rows)
  const kept = Int32Array.from(problem.heldOut.keys()).filter((i) => known.has(problem.heldOut[i]!))
  return {
    chosen: { ...chosen, probabilities: takeRows(chosen.probabilities, kept) },
    problem: { truth: takeRows(problem.truth, kept) },
  }
}

function isWholeOf(problem: Problem, { groups }: CheckedSet): boolean {
  return problem.groups.length === groups.length
}

/** Some rows of a problem, in the coordinates that it has. */
function takePart(problem: Problem, part: CheckedSet, rows: Int32Array): Problem {
  const gaussians = new GaussianCache(problem.kernels, part.rows.columns, PART.assumesVariance)
  const coordinates = takeRows(problem.coordinates, rows)
  return { ...problem, ...part, coordinates, gaussians, folds: [], heldOut: new Int32Array(0) }
}
