import { MessageChannel } from 'node:worker_threads'
import type { NamedTensor, Session } from '../../runtime/session.ts'
import { type Evaluation, scalarOf } from '../evaluate/evaluate-rows.ts'
import type { Parameter, TrainingGraph } from '../graph/types.ts'
import { type RowSource, targetsOf } from '../rows/labelled-rows.ts'
import type { TrainingBatch } from '../rows/pairs.ts'
import type { FineTuneSettings, LabelledTexts } from '../types.ts'
import type { AdamW } from './adamw.ts'
import type { TrainingSession } from './training-loop.ts'

/** Guards the division by the norm; PyTorch's `clip_grad_norm_` has the same. */
const NORM_GUARD = 1e-6

/** An encoder in training. */
export interface EncoderSession extends TrainingSession<TrainingBatch> {
  /** The present weights as graph inputs, by name; views that change with every step. */
  readonly inputs: Readonly<Record<string, NamedTensor>>
  /** The present weights by name. */
  values(): ReadonlyMap<string, Float32Array>
}

/** Frees results at once: gradients are as large as the weights, and the collector lets several sets pile up. */
export type ReleaseBuffers = (tensors: Readonly<Record<string, NamedTensor>>) => void

/** What an encoder is trained with. */
export interface TrainingParts {
  readonly training: TrainingGraph
  readonly session: Session
  /** Holds the weights; may be shared by sessions that run one after another. */
  readonly adamw: AdamW
  readonly source: RowSource
  readonly rows: LabelledTexts
  readonly settings: Pick<
    FineTuneSettings,
    'learningRate' | 'headLearningRate' | 'weightDecay' | 'clip'
  >
  readonly release: ReleaseBuffers
  /** Called after each run, to sample the memory. */
  afterRun(): void
  /** Evaluates the weights that `inputs` hold. */
  evaluate(inputs: Readonly<Record<string, NamedTensor>>): Promise<Evaluation | null>
}

/** Puts graph, optimiser and rows together. */
export function createTrainingSession(parts: TrainingParts): EncoderSession {
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

/** Frees by handing the buffers to a port that nobody listens to; the arrays are empty afterwards. */
export function createReleaseBuffers(): ReleaseBuffers {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  port1.unref()
  return (tensors) => {
    const buffers = Object.values(tensors).map(({ data }) => data.buffer as ArrayBuffer)
    port1.postMessage(null, buffers)
  }
}
