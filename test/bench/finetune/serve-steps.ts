import { fileURLToPath } from 'node:url'
import { withModelFile } from '../../../shared/exporter/source/model-file.ts'
import { readTransformerConfig } from '../../../shared/exporter/source/source-config.ts'
import { type EncoderWeights, loadWeights } from '../../../shared/exporter/source/weights.ts'
import { buildTrainingGraph } from '../../../shared/finetune/graph/training-graph.ts'
import type { BatchStart } from '../../../shared/finetune/graph/types.ts'
import { createAdamW } from '../../../shared/finetune/optimise/adamw.ts'
import { createTextTrunk } from '../../../shared/finetune/text/text-trunk.ts'
import { type NamedTensor, openSession } from '../../../shared/runtime/session.ts'
import { answerParent } from '../contestants/child.ts'
import { BUILTIN_FOLDER } from '../contestants/own.ts'
import { median } from '../lib/statistics.ts'
import type { StepOptions, StepReply, StepRequest, StepShape } from './protocol.ts'

const CLASSES = 6
const RATES = { rates: { encoder: 1e-4, head: 1e-3 }, weightDecay: 0.01 }

/** The process that takes training steps of the built-in encoder. */
export async function serveSteps(options: StepOptions, root: URL): Promise<void> {
  const folder = fileURLToPath(new URL(BUILTIN_FOLDER, root))
  const weights = await loadWeights(folder, await readTransformerConfig(folder), null)
  const training = buildTrainingGraph({
    trunk: createTextTrunk({
      weights,
      pooling: 'mean',
      trainable: { kind: 'layers', count: options.layers },
    }),
    loss: { kind: 'cross-entropy', smoothing: 0 },
    classes: CLASSES,
    initialHead: {
      weight: Float32Array.from({ length: CLASSES * weights.config.hidden }, pseudoRandom),
      bias: new Float32Array(CLASSES),
    },
    classWeights: null,
  })
  const { parameters, batch, outputs } = training
  const session = await withModelFile(training.graph, (path) =>
    openSession(path, { threads: options.threads, spin: options.spin }),
  )
  const adamw = createAdamW(parameters)
  const trained = parameters.map(({ name, dims }, i): [string, NamedTensor] => [
    name,
    { data: adamw.weights[i] as Float32Array, dims },
  ])
  const names = [outputs.loss, outputs.gradientNorm, ...outputs.gradients]
  const step = async (shape: StepShape) => {
    const feeds = {
      ...Object.fromEntries(trained),
      ...startFeeds(batch.start, shape, weights),
      [batch.targets]: targetFeed(shape),
    }
    const start = performance.now()
    const results = await session.run(feeds, names)
    const passed = performance.now()
    const number = (name: string) => results[name]?.data[0] as number
    const gradients = outputs.gradients.map((name) => results[name]?.data as Float32Array)
    adamw.step(gradients, { ...RATES, scale: Math.min(1, 1 / number(outputs.gradientNorm)) })
    const done = performance.now()
    return { passMs: passed - start, stepMs: done - start, loss: number(outputs.loss) }
  }
  answerParent<StepRequest>(
    `${parameters.length} tensors`,
    async ({ count, ...shape }): Promise<StepReply> => {
      const taken: Awaited<ReturnType<typeof step>>[] = []
      for (let i = 0; i < count; i++) taken.push(await step(shape))
      return {
        kind: 'steps',
        passMs: median(taken.map(({ passMs }) => passMs)),
        stepMs: median(taken.map(({ stepMs }) => stepMs)),
        loss: taken.at(-1)?.loss ?? Number.NaN,
      }
    },
    () => session.release(),
  )
}

function startFeeds(
  start: BatchStart,
  { batch, tokens }: StepShape,
  { config }: EncoderWeights,
): Record<string, NamedTensor> {
  const dims = [batch, tokens]
  const mask = { data: new Float32Array(batch * tokens).fill(1), dims }
  if (start.kind === 'ids') {
    const ids = Int32Array.from({ length: batch * tokens }, (_, i) => 1000 + ((i * 7919) % 20_000))
    return { [start.ids]: { data: ids, dims }, [start.mask]: mask }
  }
  if (start.kind !== 'states') throw new Error('a bench of the head alone measures nothing')
  const data = Float32Array.from({ length: batch * tokens * config.hidden }, pseudoRandom)
  return { [start.states]: { data, dims: [...dims, config.hidden] }, [start.mask]: mask }
}

function targetFeed({ batch }: StepShape): NamedTensor {
  const data = new Float32Array(batch * CLASSES)
  for (let row = 0; row < batch; row++) data[row * CLASSES + (row % CLASSES)] = 1
  return { data, dims: [batch, CLASSES] }
}

function pseudoRandom(_: unknown, i: number): number {
  return ((i * 7919 + 12345) % 20011) / 20011 - 0.5
}
