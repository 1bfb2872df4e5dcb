import { describe, expect, it } from 'vitest'
import {
  buildImageEncoderGraph,
  IMAGE_GRAPH_NAMES,
} from '../../../shared/exporter/image/image-encoder-graph.ts'
import type { ImageNetwork } from '../../../shared/exporter/image/image-network.ts'
import { chooseLayer, listTransferLayers } from '../../../shared/exporter/image/transfer-layers.ts'
import {
  buildScoringGraph,
  buildTrainingGraph,
} from '../../../shared/finetune/graph/training-graph.ts'
import type { TrainingGraphOptions } from '../../../shared/finetune/graph/types.ts'
import { createImageTrunk, type ImageTrunk } from '../../../shared/finetune/image/image-trunk.ts'
import type { Loss } from '../../../shared/finetune/types.ts'
import { bypassIdentities } from '../../../shared/onnx/cut.ts'
import { type Graph, GraphBuilder } from '../../../shared/onnx/graph.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { openSession } from '../../../shared/runtime/session.ts'
import { buildTinyImageNetwork, TINY_SIDE } from '../../fakes/tiny-image-network.ts'
import { numericGradient } from '../../reference/central-differences.ts'
import { interpret } from '../../reference/interpreter.ts'
import { type Tensor, tensor } from '../../reference/tensor.ts'

type Feeds = Readonly<Record<string, Tensor>>
const [ROWS, CLASSES] = [3, 2]

function spread(count: number, factor: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => factor * Math.sin(1.7 + 12.9 * i))
}

/** As reading a folder gives it: the batch is free. */
function toNetwork(graph: Graph, side = TINY_SIDE): ImageNetwork {
  const [input] = graph.inputs
  if (!input) throw new Error('no input')
  return { graph: bypassIdentities(graph), input: { ...input, shape: ['batch', 3, side, side] } }
}

/** Depthwise and pointwise convolutions with bounds, as in mobile networks, before the features. */
function buildMobileNetwork(): Graph {
  const g = new GraphBuilder('mobile')
  const constant = (name: string, ...dims: number[]) =>
    g.constant(
      name,
      'float32',
      dims,
      spread(
        dims.reduce((product, dim) => product * dim, 1),
        0.6,
      ),
    )
  const bounds = [g.scalar(0), g.scalar(6)]
  const node = (op: string, inputs: string[], output: string, attributes = {}) =>
    g.op(op, inputs, attributes, { outputs: [output] })
  const input = g.input('image', 'float32', ['batch', 3, 6, 6])
  const stem = node('Conv', [input, constant('w0', 4, 3, 1, 1), constant('b0', 4)], 'stem')
  const wide = node('Conv', [stem, constant('w1', 8, 4, 1, 1), constant('b1', 8)], 'wide')
  const kept = node('Clip', [wide, ...bounds], 'wide.kept')
  const deep = { group: 8, strides: [2, 2], pads: [1, 1, 1, 1] }
  const each = node('Conv', [kept, constant('w2', 8, 1, 3, 3), constant('b2', 8)], 'each', deep)
  const clipped = node('Clip', [each, ...bounds], 'each.kept')
  const narrow = node('Conv', [clipped, constant('w3', 5, 8, 1, 1), constant('b3', 5)], 'narrow')
  const features = node('ReduceMean', [narrow], 'features', { axes: [2, 3], keepdims: 0 })
  g.output('features', features, 'float32', ['batch', 5])
  return g.build()
}

async function trunkOf(network: ImageNetwork, below: string | null): Promise<ImageTrunk> {
  const layers = await listTransferLayers(network)
  const layer = chooseLayer(network, layers, 'features')
  const found = layers.find(({ name }) => name === below) ?? null
  return createImageTrunk({ network, layer, below: found })
}

function optionsOf(trunk: ImageTrunk, loss: Loss): TrainingGraphOptions<ImageTrunk> {
  const initialHead = {
    weight: spread(CLASSES * trunk.dimension, 2),
    bias: Float32Array.of(0.3, -0.2),
  }
  return { trunk, loss, classes: CLASSES, initialHead, classWeights: null }
}

function feedsOf({ trunk }: TrainingGraphOptions<ImageTrunk>): Feeds {
  const [input = { name: '', shape: [] }] = trunk.lower.inputs
  const [, ...size] = input.shape as number[]
  const area = size.reduce((product, dim) => product * dim, 1)
  const images = tensor([ROWS, ...size], spread(ROWS * area, 1))
  const feeds = { [input.name]: images }
  const [features] = interpret(trunk.lower)(feeds, [trunk.output]) as [Tensor]
  const rounded = { dims: features.dims, data: features.data.map(Math.fround) }
  const start = trunk.parameters.length === 0 ? 'embeddings' : 'features'
  return {
    [start]: rounded,
    targets: tensor([ROWS, CLASSES], [1, 0, 0, 1, 1, 0]),
  }
}

async function runInRuntime(graph: Graph, feeds: Feeds, names: readonly string[]) {
  const session = await openSession(serializeModel(graph).graph, { optimization: 'disabled' })
  try {
    const given = Object.entries(feeds).map(([name, { dims, data }]) => [
      name,
      { dims, data: Float32Array.from(data) },
    ])
    const found = await session.run(Object.fromEntries(given), names)
    return names.map((name) => Array.from(found[name]?.data as Float32Array))
  } finally {
    await session.release()
  }
}

const largest = (values: readonly number[]) => Math.max(...values.map(Math.abs))

describe('gradients of the last layers of an image network', () => {
  it.each([
    ['one block of the tiny network', toNetwork(buildTinyImageNetwork()), 'relu'],
    ['a block with a depthwise convolution', toNetwork(buildMobileNetwork(), 6), 'stem'],
    ['the last convolution alone', toNetwork(buildMobileNetwork(), 6), 'each.kept'],
    ['the output layer alone', toNetwork(buildTinyImageNetwork()), null],
  ] as const)('are slopes of the loss: %s', async (_, network, below) => {
    const options = optionsOf(await trunkOf(network, below), {
      kind: 'cross-entropy',
      smoothing: 0.1,
    })
    const training = buildTrainingGraph(options)
    const weights = training.parameters.map(
      ({ name, dims, initial }) => [name, tensor(dims, initial)] as const,
    )
    const feeds = { ...feedsOf(options), ...Object.fromEntries(weights) }
    const found = await runInRuntime(training.graph, feeds, training.outputs.gradients)
    const scoring = buildScoringGraph(options)
    const run = interpret(scoring.graph)
    for (const [i, { name }] of training.parameters.entries()) {
      const wanted = numericGradient((changed) => {
        const [loss] = run({ ...feeds, [name]: changed }, [scoring.outputs.loss])
        return (loss as Tensor).data[0] as number
      }, feeds[name] as Tensor)
      const difference = largest(
        (found[i] as number[]).map((value, at) => value - (wanted[at] as number)),
      )
      expect(largest(wanted), name).toBeGreaterThan(0)
      expect(difference, name).toBeLessThan(1e-4 * largest(wanted))
    }
  })
})

describe('an image network in training', () => {
  it('trains weights and biases above the cut, and decays no bias', async () => {
    const { parameters } = await trunkOf(toNetwork(buildMobileNetwork(), 6), 'stem')
    expect(parameters.map(({ name, decay }) => [name, decay])).toEqual(
      ['w1', 'b1', 'w2', 'b2', 'w3', 'b3'].map((name) => [`layers.${name}`, name[0] === 'w']),
    )
  })

  it.each(['relu', null])('gives the vectors of the served graph, cut at %s', async (below) => {
    const network = toNetwork(buildTinyImageNetwork())
    const trunk = await trunkOf(network, below)
    const layers = await listTransferLayers(network)
    const served = buildImageEncoderGraph(network, chooseLayer(network, layers, 'features'))
    const options = optionsOf(trunk, { kind: 'cross-entropy', smoothing: 0 })
    const scoring = buildScoringGraph(options)
    const weights = scoring.parameters.map(
      ({ name, dims, initial }) => [name, tensor(dims, initial)] as const,
    )
    const feeds = { ...feedsOf(options), ...Object.fromEntries(weights) }
    const [found] = await runInRuntime(scoring.graph, feeds, [scoring.outputs.embedding])
    const images = tensor([ROWS, 3, TINY_SIDE, TINY_SIDE], spread(ROWS * 3 * TINY_SIDE ** 2, 1))
    const [wanted] = interpret(served)({ image: images }, [IMAGE_GRAPH_NAMES.embedding])
    const values = Array.from((wanted as Tensor).data)
    expect(largest(values.map((value, at) => value - (found?.[at] as number)))).toBeLessThan(1e-6)
  })

  it('is refused where an operator above the cut has no gradient, by its name', async () => {
    const tiny = buildTinyImageNetwork()
    const nodes = tiny.nodes.map((node) =>
      node.op === 'GlobalAveragePool' ? { ...node, op: 'GlobalMaxPool' } : node,
    )
    await expect(trunkOf(toNetwork({ ...tiny, nodes }), 'relu')).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringMatching(
        /^the network has operator GlobalMaxPool \(node GlobalAveragePool_\d+\), which has no gradient, above what stays/,
      ),
    })
  })

  it('is refused where its operators are too old, or mix images', async () => {
    const old = toNetwork({ ...buildTinyImageNetwork(), opset: 11 })
    await expect(trunkOf(old, 'relu')).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringContaining('operator set 11; 13 or newer is needed'),
    })
    const tiny = buildTinyImageNetwork()
    const nodes = tiny.nodes.map((node) =>
      node.op === 'Flatten'
        ? { ...node, op: 'Reshape', inputs: [...node.inputs, 'flat'], attributes: {} }
        : node,
    )
    const flat = {
      name: 'flat',
      type: 'int64' as const,
      dims: [2],
      data: BigInt64Array.of(1n, -1n),
    }
    const initializers = [...tiny.initializers, flat]
    const trunk = await trunkOf(toNetwork({ ...tiny, nodes, initializers }), 'relu')
    const options = optionsOf(trunk, { kind: 'cross-entropy', smoothing: 0 })
    expect(() => buildTrainingGraph(options)).toThrow(
      /layers that are not known to keep the images of a batch apart \(the embedding is \[1, 4\*batch\], not \[batch, 4\]\)/,
    )
  })
})
