import type { Problem } from '../problem.ts'
import type { Method, TrainOptions } from '../types.ts'
import {
  blendLinear,
  blendWithVotes,
  type Candidate,
  singleCandidate,
  voteCandidate,
} from './candidates.ts'
import {
  type LinearCandidate,
  selectLda,
  selectLogistic,
  selectNearestMeans,
  selectRidgeCandidate,
} from './linear-methods.ts'
import { searchHeldOut } from './votes.ts'

/** Standard errors by which a later candidate must beat the one before: fewer rows, simpler heads. */
const MARGIN = 2
/** With fewer rows the likelihood of a vote is a matter of luck: blends are not offered. */
const FEWEST_VOTE_ROWS = 200
/** Likelihoods count a probability of at least this. */
const LEAST_PROBABILITY = 1e-12

export interface Selection {
  readonly chosen: Candidate
  readonly candidates: readonly Candidate[]
  readonly why: string
}

/** Called before each step, so that progress shows and a cancelled job ends. */
export type Step = (name: string) => void

/** How the choice is made. */
export interface SelectOptions {
  /** Offers votes of neighbours. */
  readonly memory: boolean
  readonly standard?: TrainOptions['standard']
  readonly step: Step
}

/** Makes the candidates of a method and chooses among them by cross-validation. */
export async function selectMethod(
  problem: Problem,
  method: Method,
  options: SelectOptions,
): Promise<Selection> {
  const single = async (name: string, make: (problem: Problem) => Promise<LinearCandidate>) => {
    options.step(name)
    return singleCandidate(problem, await make(problem))
  }
  const only = (chosen: Candidate): Selection => ({
    chosen,
    candidates: [chosen],
    why: `${chosen.name} as asked for`,
  })
  if (problem.activation === 'sigmoid') {
    if (method === 'auto' || method === 'softmax') {
      const chosen = await single('sigmoid', selectLogistic)
      const named = { ...chosen, name: 'sigmoid' }
      return {
        ...only(named),
        why: 'independent logistic regressions: rows may have several labels',
      }
    }
  }
  if (method === 'softmax') return only(await single(method, selectLogistic))
  if (method === 'lda') return only(await single(method, selectLda))
  if (method === 'ridge') return only(await single(method, selectRidgeCandidate))
  const means = await single('ncm', selectNearestMeans)
  if (method === 'ncm') return only(means)
  if (method === 'knn') {
    options.step('knn')
    return only(voteCandidate(problem, means, await searchHeldOut(problem)))
  }
  const softmax = await single('softmax', selectLogistic)
  const lda = await single('lda', selectLda)
  const ridge = await single('ridge', selectRidgeCandidate)
  const both = blendLinear(problem, softmax.parts[0]!.candidate, lda.parts[0]!.candidate)
  const first = options.standard === 'softmax' ? [softmax, both] : [both, softmax]
  const candidates = [...first, lda, means, ridge]
  if (options.memory && problem.heldOut.length >= FEWEST_VOTE_ROWS) {
    options.step('knn')
    const neighbours = await searchHeldOut(problem)
    for (const base of [softmax, lda, both]) {
      candidates.push(blendWithVotes(problem, base, neighbours))
    }
    candidates.push(voteCandidate(problem, means, neighbours))
  }
  return chooseCandidate(problem, candidates)
}

/**
 * Keeps the first candidate unless a later one has a better held-out likelihood by more than the standard
 * error of the difference: on few rows the robust default stays, on many the best one wins.
 */
function chooseCandidate(problem: Problem, candidates: readonly Candidate[]): Selection {
  let chosen = candidates[0]!
  let losses = rowLosses(problem, chosen)
  for (const candidate of candidates.slice(1)) {
    const other = rowLosses(problem, candidate)
    const gains = losses.map((loss, i) => loss - other[i]!)
    if (meanOf(gains) > MARGIN * standardError(gains)) {
      chosen = candidate
      losses = other
    }
  }
  const percent = (100 * chosen.accuracy).toFixed(1)
  const why =
    `${chosen.name}: ${percent} % right and likelihood loss ${chosen.nll.toFixed(3)} on held-out rows; ` +
    `${candidates.length} candidates compared, the simpler one kept within a standard error`
  return { chosen, candidates, why }
}

function rowLosses(problem: Problem, { probabilities }: Candidate): Float64Array {
  return Float64Array.from(problem.heldOut, (row, i) => {
    const p = probabilities.data[i * probabilities.columns + problem.groups[row]!]!
    return -Math.log(Math.max(p, LEAST_PROBABILITY))
  })
}

function meanOf(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

function standardError(values: Float64Array): number {
  const centre = meanOf(values)
  const spread = values.reduce((sum, value) => sum + (value - centre) ** 2, 0)
  return Math.sqrt(spread) / Math.max(values.length, 1)
}
