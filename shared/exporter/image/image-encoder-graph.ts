import type { TransferLayer } from '../../lib/manifests/encoder-manifest.ts'
import { cutGraph } from '../../onnx/cut.ts'
import type { Graph, Initializer, Node } from '../../onnx/graph.ts'
import type { ImageNetwork } from './image-network.ts'

/** Names in every image encoder's graph; a prefix keeps them apart from the network's own. */
export const IMAGE_GRAPH_NAMES = {
  pooled: 'espalier.pooled',
  embedding: 'espalier.embedding',
} as const

/** Keeps a vector of zeros from a division by zero, and changes no other. */
const TINY = 1e-12
/** From this operator set on, axes of reductions are an input. */
const AXES_INPUT_OPSET = 18

/**
 * The network up to a layer, then the mean over the positions of a feature map, and its L2 norm divided out:
 * outputs `pooled` and `embedding` [batch, dimension].
 */
export function buildImageEncoderGraph(
  { graph, input }: ImageNetwork,
  layer: TransferLayer,
): Graph {
  const { pooled, embedding } = IMAGE_GRAPH_NAMES
  const dimension = layer.shape[0] as number
  const cut = cutGraph(graph, [layer.name])
  const nodes: Node[] = [...cut.nodes]
  const add = (op: string, inputs: string[], output: string, attributes: Node['attributes'] = {}) =>
    nodes.push({ name: output, op, domain: '', inputs, outputs: [output], attributes })
  if (layer.shape.length === 3) {
    add('GlobalAveragePool', [layer.name], 'espalier.mean')
    add('Flatten', ['espalier.mean'], pooled, { axis: 1 })
  } else add('Identity', [layer.name], pooled)
  const constants: Initializer[] = [
    { name: 'espalier.tiny', type: 'float32', dims: [], data: Float32Array.of(TINY) },
  ]
  if (graph.opset < AXES_INPUT_OPSET) {
    add('ReduceL2', [pooled], 'espalier.norm', { axes: [1], keepdims: 1 })
  } else {
    const data = BigInt64Array.of(1n)
    constants.push({ name: 'espalier.axes', type: 'int64', dims: [1], data })
    add('ReduceL2', [pooled, 'espalier.axes'], 'espalier.norm', { keepdims: 1 })
  }
  add('Add', ['espalier.norm', 'espalier.tiny'], 'espalier.length')
  add('Div', [pooled, 'espalier.length'], embedding)
  const shape = [input.shape[0] ?? 1, dimension]
  return {
    ...cut,
    name: 'image-encoder',
    inputs: [input],
    initializers: [...cut.initializers, ...constants],
    nodes,
    outputs: [pooled, embedding].map((name) => ({ name, type: 'float32', shape })),
  }
}
