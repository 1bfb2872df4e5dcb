import type { Neighbours } from '../../head/neighbours.ts'
import {
  FITTED_METHODS,
  type FittedMethod,
  METHOD_TABLE,
  type Method,
} from '../catalogue/methods.ts'
import type { TrainOptions } from '../types.ts'
import { blendLinear, type Candidate } from './candidates.ts'
import { chooseCandidate, type Selection } from './choose-candidate.ts'
import { makeCandidate as makeLda } from './lda.ts'
import type { MakeCandidate, MethodRun } from './method.ts'
import { type BalanceChoice, balanceCandidate, chooseBalance, macroF1 } from './prior-shift.ts'
import type { Problem } from './problem.ts'
import { makeCandidate as makeSoftmax, makeWeighted } from './softmax.ts'
import { blendWithVotes, searchHeldOut } from './votes.ts'

/** Balanced answers are looked at where the largest class has so many times the rows of the smallest. */
const UNEVEN = 10
/** With fewer rows the likelihood of a vote is a matter of luck: blends are not offered. */
const FEWEST_VOTE_ROWS = 200

/** Called before each step, so that progress shows and a cancelled job ends. */
export type Step = (name: string) => void

/** How the choice is made. */
export interface SelectOptions {
  /** Offers votes of neighbours. */
  readonly memory: boolean
  readonly standard?: TrainOptions['standard']
  readonly optimise?: TrainOptions['optimise']
  readonly balance?: TrainOptions['balance']
  readonly classWeight?: TrainOptions['classWeight']
  readonly step: Step
}

/** A selection with what balanced answers would come to; null where they are balanced, or labels are evenly frequent. */
export interface BalancedSelection extends Selection {
  readonly unbalanced: BalanceChoice | null
}

/** Makes the candidate of a method; of `auto` all that there are, and chooses among them by cross-validation. */
export async function selectMethod(
  problem: Problem,
  method: Method,
  options: SelectOptions,
): Promise<BalancedSelection> {
  const run = createRun(problem, options.classWeight === 'balanced')
  if (problem.activation === 'sigmoid') {
    const chosen = await makeNamed(run, method === 'auto' ? 'softmax' : method, options.step)
    const why = 'independent logistic regressions: rows may have several labels'
    return { chosen, candidates: [chosen], why, unbalanced: null }
  }
  const made =
    method === 'auto'
      ? await makeCandidates(run, options)
      : await makeVariants(run, method, options)
  const { optimise = 'log-loss' } = options
  const strength = strengthOf(method, options)
  if (strength !== 'auto' || optimise !== 'log-loss') {
    const answers = made.map((candidate) => {
      const own =
        strength === 'auto' ? chooseBalance(problem, candidate.probabilities).strength : strength
      return balanceCandidate(problem, candidate, own)
    })
    // Likelihoods tell of probabilities as rows have the labels: answers that are balanced are less likely on purpose.
    const judged = optimise === 'log-loss' ? made : answers
    const { chosen, why } = choose(problem, judged, method, optimise, made)
    const selected = answers[judged.indexOf(chosen)]!
    return { chosen: selected, candidates: answers, ...tellBalance(problem, chosen, selected, why) }
  }
  const { chosen, why } = choose(problem, made, method, optimise)
  const own = chooseBalance(problem, chosen.probabilities).strength
  const answers = made.map((candidate) => balanceCandidate(problem, candidate, own))
  const selected = answers[made.indexOf(chosen)]!
  return { chosen: selected, candidates: answers, ...tellBalance(problem, chosen, selected, why) }
}

/** How much of the log prior is taken away: what is asked for, else what goes with the aim. */
function strengthOf(
  method: Method,
  { balance, classWeight, optimise }: SelectOptions,
): number | 'auto' {
  if (balance !== undefined) return balance === 'auto' ? 'auto' : Number(balance)
  if (optimise === 'macro-f1') return 'auto'
  if (classWeight !== 'balanced') return 0
  // A weighed fit alone answers as if classes were equally frequent; other parts of a blend know the prior.
  return method === 'softmax' ? 1 : 'auto'
}

function choose(
  problem: Problem,
  candidates: readonly Candidate[],
  method: Method,
  optimise: NonNullable<TrainOptions['optimise']>,
  plain = candidates,
): Selection {
  if (candidates.length > 1) return chooseCandidate(problem, candidates, optimise, plain)
  const why = method === 'auto' ? 'the only candidate' : 'as asked for'
  return { chosen: candidates[0]!, candidates, why }
}

/** Says what balanced answers come to, in the sentence where they are, else beside the selection. */
function tellBalance(
  problem: Problem,
  plain: Candidate,
  { balance = 0, probabilities }: Candidate,
  why: string,
): Pick<BalancedSelection, 'why' | 'unbalanced'> {
  if (balance === 0) {
    const isUneven = unevenness(problem) >= UNEVEN
    return { why, unbalanced: isUneven ? chooseBalance(problem, plain.probabilities) : null }
  }
  const share = balance === 1 ? 'the whole log prior' : `${balance} of the log prior`
  const score = (100 * macroF1(problem, probabilities)).toFixed(1)
  return {
    why: `${why}; answers leave out ${share}, macro-F1 ${score} % held out`,
    unbalanced: null,
  }
}

/** How many times the rows of the smallest class the largest has. */
function unevenness({ groups, classes }: Problem): number {
  const counts = new Float64Array(classes)
  for (const group of groups) counts[group] = counts[group]! + 1
  return Math.max(...counts) / Math.max(1, Math.min(...counts))
}

function createRun(problem: Problem, weighted: boolean): MethodRun {
  const candidates = new Map<MakeCandidate, Promise<Candidate>>()
  let neighbours: Promise<Neighbours> | undefined
  const run: MethodRun = {
    problem,
    weighted,
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

/** The candidate of one method; of softmax with rows weighed and not, where that is to be chosen. */
async function makeVariants(
  run: MethodRun,
  method: FittedMethod,
  options: SelectOptions,
): Promise<Candidate[]> {
  const plain = await makeNamed(run, method, options.step)
  const isChosen = method === 'softmax' && weighsBoth(options)
  return isChosen ? [plain, await run.candidate(makeWeighted)] : [plain]
}

/** Whether fits with rows weighed by class and fits without are both tried. */
function weighsBoth({ classWeight, optimise }: SelectOptions): boolean {
  return classWeight === 'auto' || (classWeight === undefined && optimise === 'macro-f1')
}

async function makeNamed(run: MethodRun, name: FittedMethod, step: Step): Promise<Candidate> {
  step(name)
  const { makeCandidate } = await METHOD_TABLE[name].load()
  return run.candidate(makeCandidate)
}

/** The candidates of `auto`, those that are kept unless a later one is clearly better first. */
async function makeCandidates(run: MethodRun, options: SelectOptions): Promise<Candidate[]> {
  const { problem } = run
  const { memory, standard, step } = options
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
  if (weighsBoth(options)) {
    const weighted = await run.candidate(makeWeighted)
    const part = weighted.parts[0]!.candidate
    candidates.push(weighted, blendLinear(problem, part, lda.parts[0]!.candidate))
  }
  if (isVoting) {
    const neighbours = await run.neighbours()
    for (const base of [softmax, lda, both]) {
      candidates.push(blendWithVotes(problem, base, neighbours))
    }
  }
  return [...candidates, ...voted]
}
