import { describe, expect, it } from 'vitest'
import { buildEncoderGraph } from '../../../shared/exporter/text/encoder-graph.ts'
import { createFloatDialect } from '../../../shared/exporter/text/float-dialect.ts'
import { createNumerics } from '../../../shared/exporter/text/numerics.ts'
import {
  buildScoringGraph,
  buildTrainingGraph,
} from '../../../shared/finetune/graph/training-graph.ts'
import type { TrainingGraphOptions } from '../../../shared/finetune/graph/types.ts'
import { toAffineHead } from '../../../shared/finetune/optimise/output-layer.ts'
import { createTextTrunk, type TextTrunk } from '../../../shared/finetune/text/text-trunk.ts'
import type { Loss, Trainable } from '../../../shared/finetune/types.ts'
import type { Graph } from '../../../shared/onnx/graph.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { type NamedTensor, openSession } from '../../../shared/runtime/session.ts'
import { createRandom, RANDOM_HIDDEN, randomWeights } from '../../fakes/random-weights.ts'

const [ROWS, TOKENS, CLASSES] = [3, 5, 4]
const random = createRandom(3)
const head = {
  weight: Float32Array.from({ length: CLASSES * RANDOM_HIDDEN }, () => random() - 0.5),
  bias: Float32Array.from({ length: CLASSES }, () => random() - 0.5),
}
const weights = randomWeights({ seed: 9, layers: 3 })

function optionsOf(trainable: Trainable, loss: Loss = { kind: 'cross-entropy', smoothing: 0 }) {
  const options: TrainingGraphOptions<TextTrunk> = {
    trunk: createTextTrunk({ weights, pooling: 'mean', trainable }),
    loss,
    classes: CLASSES,
    initialHead: head,
    classWeights: null,
  }
  return options
}

const dims = [ROWS, TOKENS]
const mask: NamedTensor = {
  data: Float32Array.of(1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0),
  dims,
}
const ids: NamedTensor = {
  data: Int32Array.from(mask.data as Float32Array, (m, i) => m * (i % 11)),
  dims,
}

async function run(graph: Graph, feeds: Record<string, NamedTensor>, output: string) {
  const session = await openSession(serializeModel(graph).graph, { optimization: 'disabled' })
  try {
    return (await session.run(feeds, [output]))[output] as NamedTensor
  } finally {
    await session.release()
  }
}

async function runScoring(
  options: TrainingGraphOptions<TextTrunk>,
  output: 'embedding' | 'scores',
) {
  const { graph, parameters, batch, outputs } = buildScoringGraph(options)
  const lower = options.trunk.buildLower()
  const feeds: Record<string, NamedTensor> = {
    targets: { data: new Float32Array(ROWS * CLASSES).fill(1 / CLASSES), dims: [ROWS, CLASSES] },
  }
  for (const { name, initial, dims } of parameters) feeds[name] = { data: initial, dims }
  const { start } = batch
  if ('mask' in start) feeds[start.mask] = mask
  if (lower === null) feeds.ids = ids
  else {
    const below = await run(lower.graph, { ids, mask }, lower.output)
    feeds[start.kind === 'states' ? start.states : 'embeddings'] = below
  }
  return Array.from((await run(graph, feeds, outputs[output])).data as Float32Array)
}

function expectClose(found: readonly number[], wanted: readonly number[]): void {
  expect(found).toHaveLength(wanted.length)
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(wanted[i] as number, 5)
}

const SETS: readonly Trainable[] = [
  { kind: 'all' },
  { kind: 'layers', count: 1 },
  { kind: 'layers', count: 3 },
  { kind: 'head' },
]

describe('graphs for training', () => {
  it.each(SETS)('give the vectors of the served graph: %o', async (trainable) => {
    const numerics = createNumerics('float32', weights.config.layerNormEpsilon)
    const served = buildEncoderGraph(weights, 'mean', createFloatDialect(weights, numerics))
    const feeds = { input_ids: ids, attention_mask: mask }
    const wanted = await run(served, feeds, 'embedding')
    const found = await runScoring(optionsOf(trainable), 'embedding')
    expectClose(found, Array.from(wanted.data as Float32Array))
  })

  it.each([
    { kind: 'cross-entropy', smoothing: 0.1 },
    { kind: 'binary-cross-entropy' },
    { kind: 'cosine-softmax', scale: 16 },
  ] satisfies Loss[])('score as the affine head that they become: $kind', async (loss) => {
    const options = optionsOf({ kind: 'all' }, loss)
    const values = buildTrainingGraph(options).parameters.map(
      ({ name, initial }) => [name, initial] as const,
    )
    const affine = toAffineHead(options, new Map(values))
    const embeddings = await runScoring(options, 'embedding')
    const wanted = Array.from({ length: ROWS * CLASSES }, (_, i) => {
      const [row, label] = [Math.floor(i / CLASSES), i % CLASSES]
      return Array.from({ length: RANDOM_HIDDEN }, (_, k) => {
        const weight = affine?.weight[label * RANDOM_HIDDEN + k] as number
        return weight * (embeddings[row * RANDOM_HIDDEN + k] as number)
      }).reduce((sum, value) => sum + value, affine?.bias[label] as number)
    })
    expectClose(await runScoring(options, 'scores'), wanted)
    if (loss.kind !== 'cosine-softmax') expectClose([...affine!.weight], [...head.weight])
  })

  it('trains layers and head, and no table', () => {
    const names = (trainable: Trainable) =>
      buildTrainingGraph(optionsOf(trainable)).parameters.map(({ name }) => name)
    expect(names({ kind: 'head' })).toEqual(['head.weight', 'head.bias'])
    expect(names({ kind: 'layers', count: 1 })).toEqual([
      'layers.2.qkv.weight',
      'layers.2.qkv.bias',
      'layers.2.out.weight',
      'layers.2.out.bias',
      'layers.2.attention_norm.gamma',
      'layers.2.attention_norm.beta',
      'layers.2.ffn_in.weight',
      'layers.2.ffn_in.bias',
      'layers.2.ffn_out.weight',
      'layers.2.ffn_out.bias',
      'layers.2.output_norm.gamma',
      'layers.2.output_norm.beta',
      'head.weight',
      'head.bias',
    ])
    expect(names({ kind: 'all' })).toHaveLength(3 * 12 + 2)
  })

  it('decays matrices only', () => {
    const { parameters } = buildTrainingGraph(optionsOf({ kind: 'all' }))
    for (const { name, dims, decay } of parameters) expect(decay, name).toBe(dims.length === 2)
  })

  it('holds no copy of what is trained, and no table below cached states', () => {
    const constants = (trainable: Trainable) =>
      buildTrainingGraph(optionsOf(trainable)).graph.initializers.map(({ name }) => name)
    const trained = (name: string) => name.startsWith('layers.') || name.startsWith('head.')
    expect(constants({ kind: 'all' }).filter(trained)).toEqual([])
    expect(constants({ kind: 'all' })).toContain('embeddings.words')
    expect(constants({ kind: 'layers', count: 1 })).not.toContain('embeddings.words')
  })

  it.each([
    [{ kind: 'layers', count: 4 }, 'layers to train 4: this encoder has 3; give 1 to 3'],
    [{ kind: 'layers', count: 0 }, 'layers to train 0: this encoder has 3; give 1 to 3'],
    [{ kind: 'layers', count: 1.5 }, 'layers to train 1.5: this encoder has 3; give 1 to 3'],
  ] as const)('refuses %o', (trainable, message) => {
    expect(() => createTextTrunk({ weights, pooling: 'mean', trainable })).toThrow(message)
  })

  it('refuses a head that does not fit, and a contrastive loss without layers', () => {
    const options = optionsOf({ kind: 'all' })
    expect(() => buildTrainingGraph({ ...options, classes: 5 })).toThrow(
      'the head to start from must have 5 rows of 6 weights and 5 biases',
    )
    expect(() => buildTrainingGraph(optionsOf({ kind: 'head' }, { kind: 'contrastive' }))).toThrow(
      'a contrastive loss has no output layer to train: train all or some layers',
    )
  })
})
