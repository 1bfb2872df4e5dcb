import { EspalierError } from '../../lib/errors.ts'
import type { TransferLayer } from '../../lib/manifests/encoder-manifest.ts'
import { countElements } from '../../lib/maths/count-elements.ts'
import { hint, say, task } from '../../lib/wording.ts'
import { cutGraph, findBottlenecks } from '../../onnx/cut.ts'
import type { Graph, Node } from '../../onnx/graph.ts'
import { openSession } from '../../runtime/session.ts'
import { withModelFile } from '../source/model-file.ts'
import type { ImageNetwork } from './image-network.ts'

/** Longer vectors are no embeddings any more; the manifest has the same bound. */
const MAX_DIMENSION = 8192
/** Operators that finish the layer before them. */
const FINISHING = ['Relu', 'Clip', 'LeakyRelu', 'PRelu', 'Elu', 'HardSwish', 'BatchNormalization']
/** Probabilities are no features. */
const NO_FEATURES = ['Softmax', 'LogSoftmax', 'Sigmoid', 'Shape', 'ArgMax']
const WEIGHTED = ['Conv', 'Gemm', 'MatMul']

/**
 * The layers that a network can be cut at, from the input on: values that all of it goes through, finished by
 * their activation, that are vectors or feature maps. Their shapes are measured in one run.
 */
export async function listTransferLayers({ graph, input }: ImageNetwork): Promise<TransferLayer[]> {
  const readers = countReaders(graph)
  const candidates = findBottlenecks(graph).filter(({ value, node }) => {
    const reads = readers.get(value) ?? []
    const isUnfinished = reads.length === 1 && FINISHING.includes(reads[0]?.op ?? '')
    return !isUnfinished && !NO_FEATURES.includes(node.op)
  })
  const values = candidates.map(({ value }) => value)
  const shapes = await measureShapes(graph, input, values)
  return candidates.flatMap(({ value, node }) => {
    const [batch, ...shape] = shapes.get(value) ?? []
    const isFeature = batch === 1 && (shape.length === 1 || shape.length === 3)
    if (!isFeature || (shape[0] as number) > MAX_DIMENSION) return []
    return [{ name: value, operator: node.op, shape, parameters: countParameters(graph, value) }]
  })
}

/**
 * The layer that a name means, its own or its node's; without a name the one that the last layer with weights,
 * usually the classifier, reads from.
 * @throws EspalierError `invalid_request` listing the last layers that there are
 */
export function chooseLayer(
  { graph }: ImageNetwork,
  layers: readonly TransferLayer[],
  wanted: string | undefined,
): TransferLayer {
  const makes = (name: string) => graph.nodes.findIndex(({ outputs }) => outputs[0] === name)
  if (wanted !== undefined) {
    const node = graph.nodes.find(({ name }) => name === wanted)
    const found = layers.find(({ name }) => name === wanted || name === node?.outputs[0])
    if (found) return found
    const last = layers.slice(-5).map(({ name }) => name)
    const message = say`there is no layer ${wanted}; ${hint(say`${task('layers')} lists them, `)}the last are ${last.join(', ')}`
    throw new EspalierError('invalid_request', message)
  }
  const constants = new Set(graph.initializers.map(({ name }) => name))
  const classifier = graph.nodes.findLastIndex(
    ({ op, inputs }) => WEIGHTED.includes(op) && inputs.some((name) => constants.has(name)),
  )
  const found = layers.findLast(({ name }) => makes(name) < classifier)
  if (found) return found
  throw new EspalierError(
    'unsupported_model',
    'the network has no layer that could be an embedding',
  )
}

async function measureShapes(
  graph: Graph,
  input: ImageNetwork['input'],
  values: readonly string[],
): Promise<Map<string, readonly number[]>> {
  if (values.length === 0) return new Map()
  const dims = [1, ...(input.shape.slice(1) as number[])]
  const outputs = values.map((name) => ({
    name,
    type: 'float32' as const,
    shape: [],
    anyShape: true as const,
  }))
  const probe = { ...cutGraph(graph, values), inputs: [{ ...input, shape: dims }], outputs }
  return withModelFile(probe, async (path) => {
    const session = await openSession(path, { optimization: 'disabled' })
    try {
      const data = new Float32Array(countElements(dims))
      const results = await session.run({ [input.name]: { data, dims } })
      return new Map(Object.entries(results).map(([name, tensor]) => [name, tensor.dims]))
    } finally {
      await session.release()
    }
  })
}

function countParameters(graph: Graph, value: string): number {
  const { initializers } = cutGraph(graph, [value])
  const sizes = initializers.map(({ dims }) => countElements(dims))
  return sizes.reduce((sum, size) => sum + size, 0)
}

function countReaders({ nodes }: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>()
  for (const node of nodes) {
    for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node])
  }
  return readers
}
