import { findUnusable } from '../head/encode.ts'
import { EspalierError } from '../lib/errors.ts'
import { createRandom } from '../lib/maths/random.ts'
import { assembleHead, DEFAULT_SEED, subsetOf } from './assemble-head.ts'
import { settleLabels } from './audit/settle-labels.ts'
import { FITTED_METHODS } from './catalogue/methods.ts'
import { type CheckedSet, checkSet } from './check-set.ts'
import { trainDetector } from './detect/train-detector.ts'
import { calibrationError, confidencesOf, reliabilityBins } from './evaluation/metrics.ts'
import type { Candidate } from './methods/candidates.ts'
import { figuresOutOfFold } from './methods/out-of-fold.ts'
import { createProblem, type Problem } from './methods/problem.ts'
import { selectMethod } from './methods/select-method.ts'
import { sampleRows } from './numerics/folds.ts'
import { createRefit } from './refit.ts'
import type { TrainedHead, TrainingSet, TrainOptions, TrainTools } from './types.ts'

/** Settings are chosen on at most this many rows; the final fit uses all. */
const MAX_SELECTION_ROWS = 30_000
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
 * class mean. Where many labels are wrong, rows that are likely so are left out of the fit.
 * @throws EspalierError `invalid_data`, `invalid_request`, `request_cancelled`
 */
export async function trainHead(
  set: TrainingSet,
  options: TrainOptions,
  tools: TrainTools,
): Promise<TrainedHead> {
  const train = (rows: TrainingSet) => trainRows(rows, options, tools)
  return settleLabels(await train(set), set, options, train)
}

/** The same without a judgement of the labels. */
async function trainRows(
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
  const step = stepsOf(tools)
  const assumesVariance = onAssumed !== undefined
  const chooser = { ...tools, step, assumesVariance }
  const { problem, selection, settings, isWhole, kept } = await choose(checked, options, chooser)
  step('fit')
  const whole = isWhole
    ? problem
    : await createProblem(tools.kernels, checked, { ...settings, folds: 0 })
  const { chosen } = selection
  const head = await assembleHead(set, options, { checked, chosen, problem }, whole)
  if (onAssumed && (await isAssumed(whole))) onAssumed()
  step('detector')
  const found = await trainDetector(problem, checked.groupCount)
  const detector = typeof found === 'string' ? null : found
  tools.onProgress?.('done', STEPS, STEPS)
  return {
    head: { ...head, detector },
    ...(typeof found === 'string' && { noDetector: found }),
    method: chosen.name,
    why: selection.why,
    candidates: selection.candidates.map(({ name, parameters, accuracy, nll }) => ({
      name,
      parameters,
      accuracy,
      nll,
    })),
    crossValidation: problem.heldOut.length === 0 ? null : summarise(problem, chosen),
    balanced: selection.unbalanced && {
      macroF1: selection.unbalanced.unseenMacroF1,
      balance: selection.unbalanced.strength,
    },
    outOfFold: {
      rows: problem.heldOut.map((row) => kept[row]!),
      probabilities: chosen.probabilities,
    },
    refit: createRefit(set, options, {
      ...{ kernels: tools.kernels, checked, problem, chosen, settings },
    }),
  }
}

function stepsOf(tools: TrainTools): (name: string) => void {
  let done = 0
  return (name) => {
    if (tools.signal?.aborted)
      throw new EspalierError('request_cancelled', 'training was cancelled')
    tools.onProgress?.(name, done++, STEPS)
  }
}

/** Chooses method and settings by cross-validation, on a seeded draw of very many rows. */
export async function choose(
  checked: CheckedSet,
  options: TrainOptions,
  tools: Pick<TrainTools, 'kernels'> & {
    readonly step: (name: string) => void
    /** Gives classes of equal rows a variance. */
    readonly assumesVariance: boolean
  },
) {
  const { kernels, step, assumesVariance } = tools
  const { folds = DEFAULT_FOLDS, seed = DEFAULT_SEED } = options
  const settings = { folds, seed, assumesVariance }
  const random = createRandom(settings.seed)
  const kept = sampleRows(checked.groups, MAX_SELECTION_ROWS, random)
  const problem = await createProblem(kernels, subsetOf(checked, kept), settings)
  const memory = options.memory !== false
  const { standard, optimise, balance, classWeight } = options
  const aims = { standard, optimise, balance, classWeight }
  const selection = await selectMethod(problem, options.method, { ...aims, memory, step })
  return { problem, selection, settings, kept, isWhole: kept.length === checked.groups.length }
}

async function isAssumed({ gaussians, coordinates, groups, classes, activation }: Problem) {
  if (activation !== 'softmax') return false
  return (await gaussians.measure(coordinates, groups, classes)).isAssumed
}

function summarise(problem: Problem, { probabilities, nll }: Candidate) {
  const { confidences, right } = confidencesOf(probabilities, problem.truth, problem.activation)
  const ece = calibrationError(reliabilityBins(confidences, right))
  return { ...figuresOutOfFold(problem, probabilities), nll, ece, rows: problem.heldOut.length }
}
