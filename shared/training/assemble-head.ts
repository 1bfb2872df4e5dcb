import type { Head, NeighbourMemory } from '../head/head.ts'
import { quantizeRows } from '../head/neighbours.ts'
import { createRandom } from '../lib/maths/random.ts'
import type { CheckedSet } from './check-set.ts'
import { chooseThresholds } from './evaluation/calibration.ts'
import type { Candidate } from './methods/candidates.ts'
import { shiftOf } from './methods/prior-shift.ts'
import type { Problem } from './methods/problem.ts'
import { sampleRows } from './numerics/folds.ts'
import type { LinearFit } from './numerics/linear-fit.ts'
import { takeRows, takeValues } from './numerics/rows.ts'
import type { TrainingSet, TrainOptions } from './types.ts'

/** Rows of a neighbour memory: 20 MB at 384 dimensions. */
const MAX_MEMORY_ROWS = 50_000
export const DEFAULT_SEED = 42

/** The head of a chosen way on rows, without a detector. */
export async function assembleHead(
  set: TrainingSet,
  options: TrainOptions,
  {
    checked,
    chosen,
    problem,
  }: {
    readonly checked: CheckedSet
    readonly chosen: Candidate
    /** Where it was chosen. */
    readonly problem: Pick<Problem, 'truth'>
  },
  rows: Problem,
): Promise<Head> {
  const fit = await fitParts(chosen, rows)
  return {
    family: options.family,
    dimension: set.dimension,
    labels: [...set.labels],
    activation: checked.activation,
    weights: new Float32Array(fit.weights),
    bias: new Float32Array(fit.bias),
    temperature: chosen.temperature,
    memory: chosen.votes ? buildMemory(checked, chosen.votes, options.seed ?? DEFAULT_SEED) : null,
    adjustment:
      checked.activation === 'softmax' ? shiftOf(checked.targets, chosen.balance ?? 0) : null,
    thresholds:
      checked.activation === 'sigmoid'
        ? chooseThresholds(chosen.probabilities, problem.truth)
        : null,
    detector: null,
  }
}

/** Some rows of a checked set, all of which may be meant. */
export function subsetOf(checked: CheckedSet, kept: Int32Array): CheckedSet {
  if (kept.length === checked.groups.length) return checked
  return {
    ...checked,
    rows: takeRows(checked.rows, kept),
    targets: takeRows(checked.targets, kept),
    groups: takeValues(checked.groups, kept),
    together: checked.together && takeValues(checked.together, kept),
  }
}

async function fitParts(chosen: Candidate, problem: Problem): Promise<LinearFit> {
  let sum: LinearFit | null = null
  for (const { candidate, share } of chosen.parts) {
    const fit = await candidate.fit(problem)
    const weights = fit.weights.map((value) => share * value)
    const bias = fit.bias.map((value) => share * value)
    sum = sum
      ? {
          weights: weights.map((value, i) => value + sum!.weights[i]!),
          bias: bias.map((value, i) => value + sum!.bias[i]!),
        }
      : { weights, bias }
  }
  return sum!
}

function buildMemory(
  { rows, groups }: CheckedSet,
  votes: NonNullable<Candidate['votes']>,
  seed: number,
): NeighbourMemory {
  const kept = sampleRows(groups, MAX_MEMORY_ROWS, createRandom(seed))
  const { data, columns } = takeRows(rows, kept)
  return { ...quantizeRows(data, columns), labels: takeValues(groups, kept), ...votes }
}
