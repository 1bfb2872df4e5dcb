import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { predictedClasses } from '../evaluation/metrics.ts'
import { adjustPriors, likelihood, shareCorrect } from '../evaluation/probabilities.ts'
import type { Candidate } from './candidates.ts'
import type { Problem } from './problem.ts'

/** Shares of the log prior that are tried: none, as the rows have it, to all, as if labels were equally frequent. */
const STRENGTHS = [0, 0.25, 0.5, 0.75, 1] as const

/**
 * What is added to the log probability of each class, shape [classes]: so much of its log share less is counted
 * (Saerens et al. 2002). Null for none.
 */
export function shiftOf(targets: Matrix, strength: number): Float32Array | null {
  if (strength === 0) return null
  const { data, rows, columns } = targets
  const counts = new Float64Array(columns)
  for (let i = 0; i < data.length; i++) counts[i % columns] = counts[i % columns]! + data[i]!
  return Float32Array.from(counts, (count) => -strength * Math.log((count * columns) / rows))
}

/** The answers of a candidate as a head gives them that takes so much of the log prior away. */
export function balanceCandidate(
  problem: Problem,
  candidate: Candidate,
  strength: number,
): Candidate {
  if (strength === 0) return candidate
  const probabilities = shiftProbabilities(problem, candidate.probabilities, strength)
  const { truth, activation } = problem
  return {
    ...candidate,
    balance: strength,
    parameters: { ...candidate.parameters, balance: strength },
    probabilities,
    accuracy: shareCorrect(probabilities, truth),
    nll: likelihood(probabilities, truth, activation),
  }
}

/** What a strength that was chosen by cross-validation comes to. */
export interface BalanceChoice {
  readonly strength: number
  /** Of all held-out rows at that strength, which was chosen on them. */
  readonly macroF1: number
  /** The same where the strength for each fold is chosen on the other folds. */
  readonly unseenMacroF1: number
}

/** The strength of best macro-F1 on held-out rows, the least of several; shape of `probabilities` [held out, classes]. */
export function chooseBalance(problem: Problem, probabilities: Matrix): BalanceChoice {
  const rows = Int32Array.from({ length: probabilities.rows }, (_, row) => row)
  const said = STRENGTHS.map((strength) =>
    predictedClasses(shiftProbabilities(problem, probabilities, strength)),
  )
  const truth = predictedClasses(problem.truth)
  const measure = (answers: Int32Array, some: Int32Array): number =>
    macroF1Of(answers, truth, some, problem.classes)
  const pick = (some: Int32Array): number => {
    const scores = said.map((answers) => measure(answers, some))
    return scores.indexOf(Math.max(...scores))
  }
  const unseen = new Int32Array(rows.length)
  for (const { offset, test } of problem.folds) {
    const end = offset + test.length
    const best = said[pick(rows.filter((row) => row < offset || row >= end))]!
    unseen.set(best.subarray(offset, end), offset)
  }
  const chosen = pick(rows)
  return {
    strength: STRENGTHS[chosen]!,
    macroF1: measure(said[chosen]!, rows),
    unseenMacroF1: measure(unseen, rows),
  }
}

/** Mean F1 over the labels that occur in held-out rows or are said of them. */
export function macroF1(problem: Problem, probabilities: Matrix): number {
  const rows = Int32Array.from({ length: probabilities.rows }, (_, row) => row)
  const [said, truth] = [probabilities, problem.truth].map(predictedClasses)
  return macroF1Of(said!, truth!, rows, problem.classes)
}

function macroF1Of(said: Int32Array, truth: Int32Array, rows: Int32Array, classes: number): number {
  const both = new Float64Array(classes)
  const either = new Float64Array(classes)
  for (const row of rows) {
    const [answer, actual] = [said[row]!, truth[row]!]
    either[answer] = either[answer]! + 1
    either[actual] = either[actual]! + 1
    if (answer === actual) both[actual] = both[actual]! + 1
  }
  let sum = 0
  let counted = 0
  either.forEach((count, label) => {
    if (count === 0) return
    sum += (2 * both[label]!) / count
    counted++
  })
  return counted === 0 ? 0 : sum / counted
}

function shiftProbabilities(problem: Problem, probabilities: Matrix, strength: number): Matrix {
  return adjustPriors(probabilities, shiftOf(problem.targets, strength))
}
