import { findUnusable } from '../head/encode.ts'
import type { Head, NeighbourMemory } from '../head/head.ts'
import { quantizeRows } from '../head/neighbours.ts'
import { EspalierError } from '../lib/errors.ts'
import type { Matrix } from '../lib/maths/matrix-kernels.ts'
import { createRandom } from '../lib/maths/random.ts'
import { FITTED_METHODS } from './catalogue/methods.ts'
import { type CheckedSet, checkSet } from './check-set.ts'
import { trainDetector } from './detect/train-detector.ts'
import { chooseThresholds } from './evaluation/calibration.ts'
import { calibrationError, confidencesOf, reliabilityBins } from './evaluation/metrics.ts'
import type { Candidate } from './methods/candidates.ts'
import { createProblem, type Problem } from './methods/problem.ts'
import { selectMethod } from './methods/select-method.ts'
import { sampleRows } from './numerics/folds.ts'
import type { LinearFit } from './numerics/linear-fit.ts'
import { takeRows, takeValues } from './numerics/rows.ts'
import type { TrainedHead, TrainingSet, TrainOptions, TrainTools } from './types.ts'

/** Settings are chosen on at most this many rows; the final fit uses all. */
const MAX_SELECTION_ROWS = 30_000
/** Rows of a neighbour memory: 20 MB at 384 dimensions. */
const MAX_MEMORY_ROWS = 50_000
const DEFAULT_SEED = 42
const DEFAULT_FOLDS = 5
/** Steps that are reported: up to all methods, the final fit, the detector. */
const STEPS = FITTED_METHODS.length + 2

/** Said of a head where discriminant analysis had nothing to go by: on all rows, or in parts of them. */
const NO_VARIANCE =
  'in no class do rows differ by more than rounding, so discriminant analysis took the nearest class mean'
const NO_VARIANCE_IN_PARTS =
  'in parts of the cross-validation no rows of a class differ, so discriminant analysis took the nearest class mean there'

/**
 * Trains a head: chooses method and settings by stratified cross-validation, fits all rows, calibrates on
 * the held-out scores and adds the out-of-distribution detector. The same rows in the same order, seed and
 * kernels give the same head. Where rows of a class never differ, discriminant analysis is that of the nearest
 * class mean.
 * @throws EspalierError `invalid_data`, `invalid_request`, `request_cancelled`
 */
export async function trainHead(
  set: TrainingSet,
  options: TrainOptions,
  tools: TrainTools,
): Promise<TrainedHead> {
  const checked = checkSet(set, options)
  const first = await trainOnce(checked, set, options, tools).catch((error: unknown) => {
    // A covariance of nothing has no factor.
    if (error instanceof RangeError) return null
    throw error
  })
  if (first && findUnusable(first.head) === null) return first
  let why = NO_VARIANCE_IN_PARTS
  const second = await trainOnce(checked, set, options, tools, () => {
    why = NO_VARIANCE
  })
  // For another reason than that there is nothing to be done: it is not written.
  if (findUnusable(second.head) !== null) return second
  return { ...second, why: `${second.why}; ${why}` }
}

/** With `onAssumed` classes of equal rows are given a variance; it is told where all are such. */
async function trainOnce(
  checked: CheckedSet,
  set: TrainingSet,
  options: TrainOptions,
  tools: TrainTools,
  onAssumed?: () => void,
): Promise<TrainedHead> {
  let done = 0
  const step = (name: string): void => {
    if (tools.signal?.aborted)
      throw new EspalierError('request_cancelled', 'training was cancelled')
    tools.onProgress?.(name, done++, STEPS)
  }
  const { folds = DEFAULT_FOLDS, seed = DEFAULT_SEED } = options
  const settings = { folds, seed, assumesVariance: onAssumed !== undefined }
  const random = createRandom(settings.seed)
  const kept = sampleRows(checked.groups, MAX_SELECTION_ROWS, random)
  const problem = await createProblem(tools.kernels, subsetOf(checked, kept), settings)
  const memory = options.memory !== false
  const { standard } = options
  const selection = await selectMethod(problem, options.method, { memory, standard, step })
  step('fit')
  const isWhole = kept.length === checked.groups.length
  const whole = isWhole
    ? problem
    : await createProblem(tools.kernels, checked, { ...settings, folds: 0 })
  const { chosen } = selection
  const fit = await fitParts(chosen, whole)
  if (onAssumed && (await isAssumed(whole))) onAssumed()
  step('detector')
  const detector = await trainDetector(problem, checked.groupCount)
  const head: Head = {
    family: options.family,
    dimension: set.dimension,
    labels: [...set.labels],
    activation: checked.activation,
    weights: new Float32Array(fit.weights),
    bias: new Float32Array(fit.bias),
    temperature: chosen.temperature,
    memory: chosen.votes ? buildMemory(checked, chosen.votes, settings.seed) : null,
    adjustment:
      options.balance && checked.activation === 'softmax' ? removePriors(checked.targets) : null,
    thresholds:
      checked.activation === 'sigmoid'
        ? chooseThresholds(chosen.probabilities, problem.truth)
        : null,
    detector,
  }
  tools.onProgress?.('done', STEPS, STEPS)
  return {
    head,
    method: chosen.name,
    why: selection.why,
    candidates: selection.candidates.map(({ name, parameters, accuracy, nll }) => ({
      name,
      parameters,
      accuracy,
      nll,
    })),
    crossValidation: problem.heldOut.length === 0 ? null : summarise(problem, chosen),
  }
}

function subsetOf(checked: CheckedSet, kept: Int32Array): CheckedSet {
  if (kept.length === checked.groups.length) return checked
  return {
    ...checked,
    rows: takeRows(checked.rows, kept),
    targets: takeRows(checked.targets, kept),
    groups: takeValues(checked.groups, kept),
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

async function isAssumed({ gaussians, coordinates, groups, classes, activation }: Problem) {
  if (activation !== 'softmax') return false
  return (await gaussians.measure(coordinates, groups, classes)).isAssumed
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

/** -log of each label's share, so that the answer is as if labels were equally frequent. */
function removePriors({ data, rows, columns }: Matrix): Float32Array {
  const counts = new Float64Array(columns)
  for (let i = 0; i < data.length; i++) counts[i % columns] = counts[i % columns]! + data[i]!
  return Float32Array.from(counts, (count) => -Math.log((count * columns) / rows))
}

function summarise(problem: Problem, { probabilities, accuracy, nll }: Candidate) {
  const { confidences, right } = confidencesOf(probabilities, problem.truth, problem.activation)
  const ece = calibrationError(reliabilityBins(confidences, right))
  return { accuracy, nll, ece, rows: problem.heldOut.length }
}
