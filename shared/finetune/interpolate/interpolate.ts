import { openMatrixKernels } from '../../runtime/kernels/kernels.ts'
import { chooseWidening } from '../../training/evaluation/recalibrate.ts'
import type { WeightInputs } from '../evaluate/evaluate-rows.ts'
import type { TrainingGraph } from '../graph/types.ts'
import type { TrainingParts } from '../optimise/training-session.ts'
import { reportPhase } from '../progress.ts'
import { type LabelledRows, sampleLabelled } from '../rows/labelled-rows.ts'
import type { FineTuneSettings, FineTuneTools, Interpolation } from '../types.ts'
import { type AlphaChoice, chooseAlpha } from './choose-alpha.ts'
import { type CrossValidationParts, crossValidate } from './cross-validate.ts'
import { type AlphaEvaluation, applyAlpha, evaluateAlphas } from './evaluate-alphas.ts'

/** What alpha is chosen and applied with, once training has ended. */
export interface InterpolationParts extends Omit<TrainingParts, 'source' | 'rows' | 'evaluate'> {
  readonly prepared: CrossValidationParts['prepared'] & {
    readonly training: TrainingGraph
    readonly validation: LabelledRows
  }
  readonly settings: FineTuneSettings
  /** Views of the optimiser's weights, as graph inputs. */
  readonly inputs: WeightInputs
  readonly tools: FineTuneTools
  /** The step whose weights the optimiser holds; those of the base at 0. */
  readonly bestStep: number
  /** Milliseconds for each further training. */
  readonly budgetMs: number | null
}

/** Chooses alpha, and leaves the weights interpolated with it in the optimiser. */
export async function interpolateTuned(parts: InterpolationParts): Promise<Interpolation> {
  const { prepared, settings, adamw, bestStep } = parts
  const { alpha, trainable } = settings
  const nothing = { rows: 0, scores: [], cooling: 1, widening: null }
  if (trainable.kind === 'head') return { alpha: 1, basis: 'none', ...nothing }
  if (bestStep === 0) return { alpha: 0, basis: 'none', ...nothing }
  if (alpha === 1) return { alpha, basis: 'given', ...nothing }
  const tuned = adamw.weights.map((view) => view.slice())
  const { parameters } = prepared.training
  const chosen: Interpolation =
    alpha === null ? await evaluate(parts, tuned) : { alpha, basis: 'given' as const, ...nothing }
  applyAlpha({ adamw, parameters }, tuned, chosen.alpha)
  return chosen
}

async function evaluate(
  parts: InterpolationParts,
  tuned: readonly Float32Array[],
): Promise<Interpolation> {
  const { prepared, settings, adamw, inputs, tools } = parts
  const { scorer, train, validation, training } = prepared
  const { seed, threads, loss, folds } = settings
  const kernels = await openMatrixKernels({ threads })
  const several = loss.kind === 'binary-cross-entropy'
  const evaluation = { adamw, parameters: training.parameters, scorer, kernels, several, seed }
  try {
    if (folds > 0)
      return conclude(await crossValidate({ ...parts, evaluation }), 'cross-validation')
    if (validation.rows.texts.length === 0) return conclude([], 'validation')
    const onAlpha = (at: number, count: number) => reportPhase(tools, 'judging', at, count)
    const sets = { learnt: sampleLabelled(train, seed), heldOut: sampleLabelled(validation, seed) }
    return conclude(
      [await evaluateAlphas({ ...evaluation, inputs, onAlpha }, tuned, sets)],
      'validation',
    )
  } finally {
    await kernels.close()
  }
}

function conclude(
  folds: readonly (readonly AlphaEvaluation[])[],
  basis: 'validation' | 'cross-validation',
): Interpolation {
  const [first] = folds
  if (first === undefined) {
    return { alpha: 1, basis: 'none', rows: 0, scores: [], cooling: 1, widening: null }
  }
  const pooled = first.map(({ alpha }, at) => ({
    alpha,
    right: Uint8Array.from(folds.flatMap((fold) => [...(fold[at] as AlphaEvaluation).right])),
  }))
  const cautious = basis === 'cross-validation'
  const { alpha, scores }: AlphaChoice = chooseAlpha(pooled, { cautious })
  const chosen = folds.map((fold) => fold.find((each) => each.alpha === alpha) as AlphaEvaluation)
  const logs = chosen.map(({ cooling }) => Math.log(cooling))
  const cooling = cautious ? Math.exp(logs.reduce((sum, x) => sum + x, 0) / logs.length) : 1
  const widening = cautious ? chooseWidening(chosen.flatMap(({ excess }) => excess)) : null
  return { alpha, basis, rows: pooled[0]?.right.length ?? 0, scores, cooling, widening }
}
