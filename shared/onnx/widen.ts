import { decodeFloat16 } from '../lib/maths/float16.ts'
import {
  type Attribute,
  ELEMENT_TYPES,
  type Graph,
  type Initializer,
  type Node,
  type ValueInfo,
} from './graph.ts'

/**
 * The same graph in float32 throughout, from one in float16 or with weights stored so: every weight is widened,
 * which is exact, and casts to float16 become casts to float32.
 */
export function widenFloat16(graph: Graph): Graph {
  return {
    ...graph,
    inputs: graph.inputs.map(widenValue),
    outputs: graph.outputs.map(widenValue),
    initializers: graph.initializers.map(widenTensor),
    nodes: graph.nodes.map(widenNode),
  }
}

function widenValue(value: ValueInfo): ValueInfo {
  return value.type === 'float16' ? { ...value, type: 'float32' } : value
}

function widenTensor(tensor: Initializer): Initializer {
  if (tensor.type !== 'float16') return tensor
  return { ...tensor, type: 'float32', data: decodeFloat16(tensor.data as Uint16Array) }
}

function widenNode(node: Node): Node {
  const attributes: Record<string, Attribute> = {}
  for (const [name, value] of Object.entries(node.attributes)) {
    const isHalf = node.op === 'Cast' && name === 'to' && value === ELEMENT_TYPES.float16
    if (isHalf) attributes[name] = ELEMENT_TYPES.float32
    else if (typeof value === 'object' && 'tensor' in value) {
      attributes[name] = { tensor: widenTensor(value.tensor) }
    } else attributes[name] = value
  }
  return { ...node, attributes }
}
