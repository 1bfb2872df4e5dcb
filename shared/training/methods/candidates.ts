import type { Neighbours } from '../../head/neighbours.ts'
import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { likelihood, shareCorrect, toProbabilities } from '../evaluation/probabilities.ts'
import type { Problem } from '../problem.ts'
import type { LinearCandidate } from './linear-methods.ts'
import { calibrate } from './linear-methods.ts'
import { type Blend, blendVotes, selectBlend } from './votes.ts'

/** A way to make a head, with what cross-validation says of it. */
export interface Candidate {
  /** `softmax`, `lda+knn` … */
  readonly name: string
  readonly parameters: Readonly<Record<string, number>>
  /** Linear parts: score = Σ share · part. */
  readonly parts: readonly { readonly candidate: LinearCandidate; readonly share: number }[]
  readonly temperature: number
  readonly votes: Pick<Blend, 'k' | 'temperature' | 'weight'> | null
  /** Probabilities of the held-out rows, shape [held out, classes]. */
  readonly probabilities: Matrix
  readonly accuracy: number
  readonly nll: number
}

/** Weight of the votes in the `knn` method: the rest only orders labels that have no neighbour. */
const PURE_VOTES = 0.95
/** Shares of the first method in a blend of two linear ones. */
const SHARES = [0.3] as const
/** Rounds of fitting the temperature and the votes in turn. */
const BLEND_ROUNDS = 2

/** One linear method alone. */
export function singleCandidate(problem: Problem, linear: LinearCandidate): Candidate {
  const { method, parameters, scores, temperature } = linear
  const parts = [{ candidate: linear, share: 1 }]
  return assess(problem, { name: method, parameters, parts, temperature, votes: null }, scores)
}

/** Geometric mean of two linear methods: their calibrated scores added, which is linear again. */
export function blendLinear(problem: Problem, a: LinearCandidate, b: LinearCandidate): Candidate {
  let best: Candidate | null = null
  for (const share of SHARES) {
    const [shareA, shareB] = [share / a.temperature, (1 - share) / b.temperature]
    const data = new Float32Array(a.scores.data.length)
    for (let i = 0; i < data.length; i++) {
      data[i] = shareA * a.scores.data[i]! + shareB * b.scores.data[i]!
    }
    const scores = { ...a.scores, data }
    const candidate = assess(
      problem,
      {
        name: `${a.method}+${b.method}`,
        parameters: { ...a.parameters, ...b.parameters, share },
        parts: [
          { candidate: a, share: shareA },
          { candidate: b, share: shareB },
        ],
        temperature: calibrate(problem, scores).temperature,
        votes: null,
      },
      scores,
    )
    if (!best || candidate.nll < best.nll) best = candidate
  }
  return best!
}

/** Mixes a candidate's probabilities with the votes of the nearest rows. */
export function blendWithVotes(
  problem: Problem,
  base: Candidate,
  neighbours: Neighbours,
  fixedWeight?: number,
): Candidate {
  const scores = linearScores(base)
  let temperature = base.temperature
  let blend: Blend | null = null
  for (let round = 0; round < BLEND_ROUNDS; round++) {
    const probabilities = toProbabilities(scores, temperature, problem.activation)
    blend = selectBlend(
      problem,
      neighbours,
      actualProbabilities(problem, probabilities),
      fixedWeight,
    )
    if (fixedWeight !== undefined) break
    temperature = sharpen(problem, base, neighbours, scores, blend, temperature)
  }
  const votes = blend!
  const mixed = blendVotes(
    problem,
    neighbours,
    toProbabilities(scores, temperature, problem.activation),
    votes,
  )
  const { k, weight } = votes
  return {
    name: fixedWeight === undefined ? `${base.name}+knn` : 'knn',
    parameters: { ...base.parameters, k, votesTemperature: votes.temperature, weight },
    parts: base.parts,
    temperature,
    votes: { k, temperature: votes.temperature, weight },
    probabilities: mixed,
    accuracy: shareCorrect(mixed, problem.truth),
    nll: likelihood(mixed, problem.truth, problem.activation),
  }
}

/** The pure neighbour vote, over nearest class means. */
export function voteCandidate(
  problem: Problem,
  means: Candidate,
  neighbours: Neighbours,
): Candidate {
  return blendWithVotes(problem, means, neighbours, PURE_VOTES)
}

function linearScores(base: Candidate): Matrix {
  const first = base.parts[0]!.candidate.scores
  if (base.parts.length === 1 && base.parts[0]!.share === 1) return first
  const data = new Float32Array(first.data.length)
  for (const { candidate, share } of base.parts) {
    for (let i = 0; i < data.length; i++) data[i] = data[i]! + share * candidate.scores.data[i]!
  }
  return { ...first, data }
}

/** A few temperatures around the present one: the mixture's own optimum is sharper than the base's. */
function sharpen(
  problem: Problem,
  base: Candidate,
  neighbours: Neighbours,
  scores: Matrix,
  blend: Blend,
  start: number,
): number {
  const votes = blendVotes(
    problem,
    neighbours,
    { ...base.probabilities, data: new Float32Array(scores.data.length) },
    { ...blend, weight: 1 },
  )
  const votesActual = actualProbabilities(problem, votes)
  let best = { temperature: start, nll: Number.POSITIVE_INFINITY }
  for (const factor of [0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5]) {
    const temperature = start * factor
    const actual = actualProbabilities(
      problem,
      toProbabilities(scores, temperature, problem.activation),
    )
    let nll = 0
    for (let i = 0; i < actual.length; i++) {
      nll -= Math.log(
        Math.max((1 - blend.weight) * actual[i]! + blend.weight * votesActual[i]!, 1e-12),
      )
    }
    if (nll < best.nll) best = { temperature, nll }
  }
  return best.temperature
}

function actualProbabilities(problem: Problem, probabilities: Matrix): Float64Array {
  return Float64Array.from(
    problem.heldOut,
    (row, i) => probabilities.data[i * probabilities.columns + problem.groups[row]!]!,
  )
}

function assess(
  problem: Problem,
  candidate: Omit<Candidate, 'probabilities' | 'accuracy' | 'nll'>,
  scores: Matrix,
): Candidate {
  const probabilities = toProbabilities(scores, candidate.temperature, problem.activation)
  return {
    ...candidate,
    probabilities,
    accuracy: shareCorrect(probabilities, problem.truth),
    nll: likelihood(probabilities, problem.truth, problem.activation),
  }
}
