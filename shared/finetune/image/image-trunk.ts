import {
  buildImageEncoderGraph,
  IMAGE_GRAPH_NAMES,
} from '../../exporter/image/image-encoder-graph.ts'
import type { ImageNetwork } from '../../exporter/image/image-network.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { TransferLayer } from '../../lib/manifests/encoder-manifest.ts'
import { hint, say, task } from '../../lib/wording.ts'
import { GRADIENT_RULES, NOT_DIFFERENTIABLE } from '../../onnx/autodiff.ts'
import { cutGraph } from '../../onnx/cut.ts'
import type { Graph, GraphBuilder, Initializer, Node } from '../../onnx/graph.ts'
import { inferShapes } from '../../onnx/infer-shapes.ts'
import { operatorKey } from '../../onnx/operator-key.ts'
import type { Parameter, Trunk } from '../graph/types.ts'

/** An image network in training, cut in two at a layer that everything goes through. */
export interface ImageTrunk extends Trunk {
  /** What is frozen: an image [1, 3, height, width] → `output`. */
  readonly lower: Graph
  readonly output: string
  /** Of the output, the batch left away. */
  readonly shape: readonly number[]
}

/** What of a network is trained. */
export interface ImageTrunkOptions {
  readonly network: ImageNetwork
  /** The layer that is the embedding. */
  readonly layer: TransferLayer
  /** The layer that stays as it is, with all below it; null trains nothing but the output layer. */
  readonly below: TransferLayer | null
}

/** Keeps the network's names apart from those of loss and gradients. */
const PREFIX = 'network/'
/** From this operator set on, axes of sums and sizes of pieces are inputs, as gradients write them. */
const MIN_OPSET = 13
/** Operators whose constants are weights, by the places of those among the inputs. */
const WEIGHTED: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
}

/**
 * Cuts a network for training; batch normalisation has no gradient and must be folded in, as exports for
 * inference do.
 * @throws EspalierError `unsupported_model` where a network cannot be trained
 */
export function createImageTrunk({ network, layer, below }: ImageTrunkOptions): ImageTrunk {
  const { opset } = network.graph
  const whole = buildImageEncoderGraph(network, layer)
  const dimension = layer.shape[0] as number
  const output = below?.name ?? IMAGE_GRAPH_NAMES.embedding
  const shape = below?.shape ?? [dimension]
  const cut = cutGraph(whole, [output])
  const info = { name: output, type: 'float32', shape: ['batch', ...shape] } as const
  const lower = { ...cut, name: 'lower', outputs: [info] }
  const common = { opset, dimension, lower, output, shape }
  if (below === null) {
    return {
      ...common,
      parameters: [],
      addTrained(g) {
        const embeddings = g.input('embeddings', 'float32', ['batch', dimension])
        return { start: { kind: 'embeddings', embeddings }, embedding: embeddings }
      },
    }
  }
  if (opset < MIN_OPSET) {
    throw refuse(`operator set ${opset}; ${MIN_OPSET} or newer is needed: export the network anew`)
  }
  const upper = takeUpper(whole, cut.nodes)
  checkOperators(upper.nodes)
  const frozen = new Set(cut.initializers.map(({ name }) => name))
  const parameters = listParameters(upper, frozen)
  return {
    ...common,
    parameters,
    addTrained(g) {
      const features = g.input('features', 'float32', ['batch', ...shape])
      const given = new Map([[output, features]])
      for (const { name, dims } of parameters) {
        given.set(nameInNetwork(name), g.input(name, 'float32', dims))
      }
      const rename = g.include(upper, { prefix: PREFIX, given })
      const embedding = rename(IMAGE_GRAPH_NAMES.embedding)
      checkShape(g, embedding, dimension)
      return { start: { kind: 'features', features, shape }, embedding }
    },
  }
}

/** The tensor of the network that a parameter is. */
export function nameInNetwork(parameter: string): string {
  return parameter.slice('layers.'.length)
}

function takeUpper(whole: Graph, below: readonly Node[]): Pick<Graph, 'nodes' | 'initializers'> {
  const lower = new Set(below)
  const nodes = whole.nodes.filter((node) => !lower.has(node))
  const read = new Set(nodes.flatMap(({ inputs }) => inputs))
  return { nodes, initializers: whole.initializers.filter(({ name }) => read.has(name)) }
}

/** Weights and biases, in the order of the nodes; those that frozen layers share stay as they are. */
function listParameters(
  { nodes, initializers }: Pick<Graph, 'nodes' | 'initializers'>,
  frozen: ReadonlySet<string>,
): Parameter[] {
  const constants = new Map(initializers.map((tensor) => [tensor.name, tensor]))
  const weights = new Map<string, Initializer>()
  for (const { op, inputs } of nodes) {
    for (const place of WEIGHTED[op] ?? []) {
      const tensor = constants.get(inputs[place] ?? '')
      if (tensor?.type === 'float32' && !frozen.has(tensor.name)) weights.set(tensor.name, tensor)
    }
  }
  return [...weights.values()].map(({ name, dims, data }) => ({
    name: `layers.${name}`,
    dims,
    group: 'encoder',
    decay: dims.length > 1,
    initial: data as Float32Array,
  }))
}

/** Before shapes are asked for, which such an operator would hide. */
function checkOperators(nodes: readonly Node[]): void {
  for (const node of nodes) {
    const operator = operatorKey(node)
    if (operator in GRADIENT_RULES || NOT_DIFFERENTIABLE.has(operator)) continue
    const above = 'above what stays as it is, train fewer layers'
    throw refuse(`operator ${operator} (node ${node.name}), which has no gradient, ${above}`)
  }
}

/** A network written for one image would mix a batch up. */
function checkShape(g: GraphBuilder, embedding: string, dimension: number): void {
  const found = inferShapes(g.build()).shapes.get(embedding)
  if (found?.join() === `batch,${dimension}`) return
  const given = found ? `[${found.join(', ')}]` : 'of unknown shape'
  throw refuse(
    `layers that are not known to keep the images of a batch apart (the embedding is ${given}, not ` +
      `[batch, ${dimension}])`,
  )
}

function refuse(what: string): EspalierError {
  return new EspalierError(
    'unsupported_model',
    say`the network has ${what}, so that it cannot be trained so; ${hint(say`${task('train')} trains a classifier on its vectors as they are`, 'a classifier can be trained on its vectors as they are')}`,
  )
}
