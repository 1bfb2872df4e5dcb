import type { Neighbours } from '../../head/neighbours.ts'
import {
  FITTED_METHODS,
  type FittedMethod,
  METHOD_TABLE,
  type Method,
} from '../catalogue/methods.ts'
import type { TrainOptions } from '../types.ts'
import { blendLinear, type Candidate } from './candidates.ts'
import { makeCandidate as makeLda } from './lda.ts'
import type { MakeCandidate, MethodRun } from './method.ts'
import type { Problem } from './problem.ts'
import { makeCandidate as makeSoftmax } from './softmax.ts'
import { blendWithVotes, searchHeldOut } from './votes.ts'

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

/** Makes the candidate of a method; of `auto` all that there are, and chooses among them by cross-validation. */
export async function selectMethod(
  problem: Problem,
  method: Method,
  options: SelectOptions,
): Promise<Selection> {
  const run = createRun(problem)
  const several = problem.activation === 'sigmoid'
  if (method === 'auto' && !several) {
    return chooseCandidate(problem, await makeCandidates(run, options))
  }
  const chosen = await makeNamed(run, method === 'auto' ? 'softmax' : method, options.step)
  const why = several
    ? 'independent logistic regressions: rows may have several labels'
    : 'as asked for'
  return { chosen, candidates: [chosen], why }
}

function createRun(problem: Problem): MethodRun {
  const candidates = new Map<MakeCandidate, Promise<Candidate>>()
  let neighbours: Promise<Neighbours> | undefined
  const run: MethodRun = {
    problem,
    candidate(make) {
      const found = candidates.get(make) ?? make(run)
      candidates.set(make, found)
      return found
    },
    neighbours() {
      neighbours ??= searchHeldOut(problem)
      return neighbours
    },
  }
  return run
}

async function makeNamed(run: MethodRun, name: FittedMethod, step: Step): Promise<Candidate> {
  step(name)
  const { makeCandidate } = await METHOD_TABLE[name].load()
  return run.candidate(makeCandidate)
}

/** The candidates of `auto`, those that are kept unless a later one is clearly better first. */
async function makeCandidates(
  run: MethodRun,
  { memory, standard, step }: SelectOptions,
): Promise<Candidate[]> {
  const { problem } = run
  const isVoting = memory && problem.heldOut.length >= FEWEST_VOTE_ROWS
  const linear: Candidate[] = []
  const voted: Candidate[] = []
  for (const name of FITTED_METHODS) {
    const entry = METHOD_TABLE[name]
    if (!entry.inAuto || (entry.memory && !isVoting)) continue
    ;(entry.memory ? voted : linear).push(await makeNamed(run, name, step))
  }
  const softmax = await run.candidate(makeSoftmax)
  const lda = await run.candidate(makeLda)
  const both = blendLinear(problem, softmax.parts[0]!.candidate, lda.parts[0]!.candidate)
  const first = standard === 'softmax' ? [softmax, both] : [both, softmax]
  const candidates = [...first, ...linear.filter((each) => each !== softmax)]
  if (isVoting) {
    const neighbours = await run.neighbours()
    for (const base of [softmax, lda, both]) {
      candidates.push(blendWithVotes(problem, base, neighbours))
    }
  }
  return [...candidates, ...voted]
}

/**
 * Keeps the first candidate unless a later one has a better held-out likelihood by more than two standard
 * errors of the difference: on few rows the robust default stays, on many the best one wins.
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
    `${percent} % right and likelihood loss ${chosen.nll.toFixed(3)} on held-out rows; ` +
    `of ${candidates.length} candidates ${tellRival(problem, candidates, chosen)}`
  return { chosen, candidates, why }
}

/** What the best of the others comes to beside the chosen one. */
function tellRival(problem: Problem, candidates: readonly Candidate[], chosen: Candidate): string {
  const best = candidates.reduce((a, b) => (b.nll < a.nll ? b : a))
  if (best === chosen || best.nll === chosen.nll) return 'none has a better one'
  const losses = rowLosses(problem, best)
  const gains = rowLosses(problem, chosen).map((loss, i) => loss - losses[i]!)
  const isClear = meanOf(gains) > MARGIN * standardError(gains)
  const margin = `${isClear ? 'more' : 'less'} than two standard errors`
  return `${best.name} has a better one, ${best.nll.toFixed(3)}, by ${margin}`
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
