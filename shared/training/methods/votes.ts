import { addVotes, type Neighbours } from '../../head/neighbours.ts'
import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import type { Problem } from '../problem.ts'
import { takeRows } from '../rows.ts'

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

/** A blend of probabilities with votes, chosen by likelihood on held-out rows. */
export interface Blend extends VoteSettings {
  readonly weight: number
  readonly nll: number
}

/**
 * Chooses k, the votes' temperature and their weight in p = (1 - weight) base + weight votes.
 * `actual` is the base probability of each held-out row's true class.
 */
export function selectBlend(
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
export function blendVotes(
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
