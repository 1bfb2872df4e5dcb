import { addVotes, type Neighbours } from '../../head/neighbours.ts'
import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { likelihood, shareCorrect, toProbabilities } from '../evaluation/probabilities.ts'
import { takeRows } from '../numerics/rows.ts'
import type { Candidate } from './candidates.ts'
import type { Problem } from './problem.ts'

/** How the nearest training rows vote. */
export interface VoteSettings {
  readonly k: number
  readonly temperature: number
}

/** Settings that are tried; few, as the likelihood is flat around its optimum. */
const VOTE_GRID: readonly VoteSettings[] = [5, 10, 20, 40].flatMap((k) =>
  [0.02, 0.05, 0.1].map((temperature) => ({ k, temperature })),
)
const MOST_NEIGHBOURS = 40
/** Shares of the votes in a blend that are tried. */
const WEIGHTS = Array.from({ length: 17 }, (_, i) => (i + 1) * 0.05)
/** Rounds of fitting the temperature and the votes in turn. */
const BLEND_ROUNDS = 2
/** Likelihoods count a probability of at least this, so that one row cannot decide. */
const LEAST_PROBABILITY = 1e-12

/** Nearest rows of the other folds for every held-out row; indices are rows of the problem. */
export async function searchHeldOut(problem: Problem): Promise<Neighbours> {
  const count = problem.heldOut.length
  const smallest = Math.min(...problem.folds.map((fold) => fold.train.length))
  const k = Math.min(MOST_NEIGHBOURS, smallest)
  const similarities = new Float32Array(count * k)
  const indices = new Int32Array(count * k)
  for (const fold of problem.folds) {
    const queries = takeRows(problem.rows, fold.test)
    const keys = takeRows(problem.rows, fold.train)
    const found = await problem.kernels.nearest(queries, keys, k)
    similarities.set(found.similarities, fold.offset * k)
    for (let i = 0; i < found.indices.length; i++) {
      indices[fold.offset * k + i] = fold.train[found.indices[i]!]!
    }
  }
  return { similarities, indices, k }
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

/** A blend of probabilities with votes, chosen by likelihood on held-out rows. */
interface Blend extends VoteSettings {
  readonly weight: number
  readonly nll: number
}

/**
 * Chooses k, the votes' temperature and their weight in p = (1 - weight) base + weight votes.
 * `actual` is the base probability of each held-out row's true class.
 */
function selectBlend(
  problem: Problem,
  neighbours: Neighbours,
  actual: Float64Array,
  fixedWeight?: number,
): Blend {
  const labels = problem.groups
  let best: Blend | null = null
  for (const settings of VOTE_GRID) {
    if (settings.k > neighbours.k && best) continue
    const votes = trueVotes(problem, neighbours, settings, labels)
    for (const weight of fixedWeight === undefined ? WEIGHTS : [fixedWeight]) {
      let nll = 0
      for (let i = 0; i < votes.length; i++) {
        const p = (1 - weight) * actual[i]! + weight * votes[i]!
        nll -= Math.log(Math.max(p, LEAST_PROBABILITY))
      }
      nll /= votes.length
      if (!best || nll < best.nll) best = { ...settings, weight, nll }
    }
  }
  return best!
}

function trueVotes(
  problem: Problem,
  { similarities, indices, k: stride }: Neighbours,
  settings: VoteSettings,
  labels: Int32Array,
): Float64Array {
  const k = Math.min(settings.k, stride)
  return Float64Array.from(problem.heldOut, (row, i) => {
    const from = i * stride
    let total = 0
    let right = 0
    for (let j = from; j < from + k; j++) {
      const weight = Math.exp((similarities[j]! - similarities[from]!) / settings.temperature)
      total += weight
      if (labels[indices[j]!] === labels[row]) right += weight
    }
    return right / total
  })
}

/** Blended probabilities of the held-out rows, shape [held out, classes]. */
function blendVotes(
  problem: Problem,
  neighbours: Neighbours,
  base: Matrix,
  settings: VoteSettings & { readonly weight: number },
): Matrix {
  const data = base.data.map((p) => p * (1 - settings.weight))
  const memory = { ...settings, labels: problem.groups }
  for (let i = 0; i < base.rows; i++) {
    const row = data.subarray(i * base.columns, (i + 1) * base.columns)
    addVotes(memory, neighbours, i * neighbours.k, settings.weight, row)
  }
  return { data, rows: base.rows, columns: base.columns }
}
