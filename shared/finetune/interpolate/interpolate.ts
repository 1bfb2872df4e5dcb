import { openMatrixKernels } from '../../runtime/kernels/kernels.ts'
import { sampleJudged, type WeightInputs } from '../evaluate/evaluate-rows.ts'
import type { FineTuneTools } from '../fine-tune-tools.ts'
import type { LearnerParts } from '../optimise/training-session.ts'
import type { PreparedTraining } from '../run/prepare-training.ts'
import type { BlendResult, FineTuneSettings } from '../types.ts'
import { type AlphaChoice, chooseAlpha } from './choose-alpha.ts'
import { rehearse } from './cross-validate.ts'
import { type AlphaVerdict, applyAlpha, judgeAlphas } from './evaluate-alphas.ts'

/** What a blend is chosen and made with, once training has ended. */
export interface BlendParts extends Omit<LearnerParts, 'source' | 'rows' | 'evaluate'> {
  readonly prepared: PreparedTraining
  readonly settings: FineTuneSettings
  /** Views of the optimiser's weights, as graph inputs. */
  readonly inputs: WeightInputs
  readonly tools: FineTuneTools
  /** The step whose weights the optimiser holds; those of the base at 0. */
  readonly bestStep: number
  /** Milliseconds for each further training. */
  readonly budgetMs: number | null
}

/** Chooses how much of the tuned weights is kept, and leaves that blend in the optimiser. */
export async function blendTuned(parts: BlendParts): Promise<BlendResult> {
  const { prepared, settings, adamw, bestStep } = parts
  const { alpha, trainable } = settings
  const nothing = { rows: 0, scores: [], cooling: 1 }
  if (trainable.kind === 'head') return { alpha: 1, basis: 'none', ...nothing }
  if (bestStep === 0) return { alpha: 0, basis: 'none', ...nothing }
  if (alpha === 1) return { alpha, basis: 'given', ...nothing }
  const tuned = adamw.weights.map((view) => view.slice())
  const { parameters } = prepared.training
  const chosen: BlendResult =
    alpha === null ? await judge(parts, tuned) : { alpha, basis: 'given' as const, ...nothing }
  applyAlpha({ adamw, parameters }, tuned, chosen.alpha)
  return chosen
}

async function judge(parts: BlendParts, tuned: readonly Float32Array[]): Promise<BlendResult> {
  const { prepared, settings, adamw, inputs, tools } = parts
  const { scorer, train, validation, training } = prepared
  const { seed, threads, loss, rehearsals } = settings
  const kernels = await openMatrixKernels({ threads })
  const several = loss.kind === 'binary-cross-entropy'
  const judging = { adamw, parameters: training.parameters, scorer, kernels, several, seed }
  try {
    if (rehearsals > 0) return conclude(await rehearse({ ...parts, judging }), 'cross-validation')
    if (validation.rows.texts.length === 0) return conclude([], 'validation')
    const onAlpha = (at: number, count: number) => reportJudging(tools, at, count)
    const asked = { learnt: sampleJudged(train, seed), judged: sampleJudged(validation, seed) }
    return conclude(
      [await judgeAlphas({ ...judging, inputs, onAlpha }, tuned, asked)],
      'validation',
    )
  } finally {
    await kernels.close()
  }
}

function conclude(
  parts: readonly (readonly AlphaVerdict[])[],
  basis: 'validation' | 'cross-validation',
): BlendResult {
  const [first] = parts
  if (first === undefined) return { alpha: 1, basis: 'none', rows: 0, scores: [], cooling: 1 }
  const pooled = first.map(({ alpha }, at) => ({
    alpha,
    right: Uint8Array.from(parts.flatMap((part) => [...(part[at] as AlphaVerdict).right])),
  }))
  const cautious = basis === 'cross-validation'
  const { alpha, scores }: AlphaChoice = chooseAlpha(pooled, { cautious })
  const logs = parts.map((part) =>
    Math.log((part.find((each) => each.alpha === alpha) as AlphaVerdict).cooling),
  )
  const cooling = cautious ? Math.exp(logs.reduce((sum, x) => sum + x, 0) / logs.length) : 1
  return { alpha, basis, rows: pooled[0]?.right.length ?? 0, scores, cooling }
}

function reportJudging(tools: FineTuneTools, step: number, steps: number): void {
  tools.onProgress({
    ...{ phase: 'judging', step, steps, epoch: 0, loss: null },
    ...{ validationAccuracy: null, learningRate: 0, secondsLeft: null },
  })
}
