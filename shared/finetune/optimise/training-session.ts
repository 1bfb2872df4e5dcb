import type { NamedTensor, Session } from '../../runtime/session.ts'
import type { BatchInputs, Parameter, TrainingGraph } from '../graph/types.ts'
import type { RowSource } from '../rows/labelled-rows.ts'
import type { PairBatch } from '../rows/pairs.ts'
import { takeTargets } from '../rows/targets.ts'
import type { FineTuneSettings, LabelledTexts } from '../types.ts'
import type { AdamW } from './adamw.ts'
import type { Evaluation } from './early-stopping.ts'
import type { ReleaseBuffers } from './release-buffers.ts'
import type { Learner } from './training-loop.ts'

/** Guards the division by the norm; PyTorch's `clip_grad_norm_` has the same. */
const NORM_GUARD = 1e-6

/** Rows of one step; with the contrastive loss also what is wanted of their pairs. */
export type TrainingBatch = Pick<PairBatch, 'rows'> & Partial<PairBatch>

/** An encoder in training. */
export interface EncoderLearner extends Learner<TrainingBatch> {
  /** The present weights as graph inputs, by name; views that change with every step. */
  readonly inputs: Readonly<Record<string, NamedTensor>>
  /** The present weights by name. */
  values(): ReadonlyMap<string, Float32Array>
}

/** What an encoder is trained with. */
export interface LearnerParts {
  readonly training: TrainingGraph
  readonly session: Session
  /** Holds the weights; may be shared by learners that train one after another. */
  readonly adamw: AdamW
  readonly source: RowSource
  readonly rows: LabelledTexts
  readonly settings: Pick<
    FineTuneSettings,
    'learningRate' | 'headLearningRate' | 'weightDecay' | 'clip'
  >
  readonly release: ReleaseBuffers
  /** Called after each run, for the memory book. */
  afterRun(): void
  /** Judges the weights that `inputs` hold. */
  evaluate(inputs: Readonly<Record<string, NamedTensor>>): Promise<Evaluation | null>
}

/** Puts graph, optimiser and rows together. */
export function createEncoderLearner(parts: LearnerParts): EncoderLearner {
  const { training, session, adamw, source, rows, settings, release } = parts
  const { parameters, batch, outputs } = training
  const inputs = inputsOf(parameters, adamw)
  const names = [outputs.loss, outputs.gradientNorm, ...outputs.gradients]
  let kept: Float32Array | null = null
  return {
    inputs,
    values: () =>
      new Map(Object.entries(inputs).map(([name, { data }]) => [name, data as Float32Array])),
    async step(taken, factor) {
      const feeds = {
        ...inputs,
        ...source.feed(taken.rows, batch.start),
        ...targetsOf(batch, rows, taken),
      }
      const results = await session.run(feeds, names)
      parts.afterRun()
      const loss = scalarOf(results[outputs.loss])
      const norm = scalarOf(results[outputs.gradientNorm])
      if (Number.isFinite(loss) && Number.isFinite(norm)) {
        const gradients = outputs.gradients.map((name) => results[name]?.data as Float32Array)
        adamw.step(gradients, {
          rates: {
            encoder: settings.learningRate * factor,
            head: settings.headLearningRate * factor,
          },
          weightDecay: settings.weightDecay,
          scale: Math.min(1, settings.clip / (norm + NORM_GUARD)),
        })
      }
      release(results)
      return { loss, norm }
    },
    evaluate: () => parts.evaluate(inputs),
    keep() {
      kept = adamw.save(kept ?? undefined)
    },
    restore() {
      if (kept) adamw.restore(kept)
    },
  }
}

function inputsOf(parameters: readonly Parameter[], adamw: AdamW): Record<string, NamedTensor> {
  return Object.fromEntries(
    parameters.map(({ name, dims }, index) => [
      name,
      { data: adamw.weights[index] as Float32Array, dims },
    ]),
  )
}

/** What the loss compares with: the rows' labels, or the wanted cosines of their pairs. */
export function targetsOf(
  batch: BatchInputs,
  rows: LabelledTexts,
  taken: TrainingBatch,
): Record<string, NamedTensor> {
  const { pairWeights, targets } = batch
  if (pairWeights === null) return { [targets]: takeTargets(rows, taken.rows) }
  const dims = [taken.rows.length, taken.rows.length]
  const empty = new Float32Array(taken.rows.length ** 2)
  return {
    [targets]: { data: taken.targets ?? empty, dims },
    [pairWeights]: { data: taken.weights ?? empty, dims },
  }
}

/** The one number of a scalar; NaN where it is missing. */
export function scalarOf(tensor: NamedTensor | undefined): number {
  return (tensor?.data as Float32Array | undefined)?.[0] ?? Number.NaN
}
