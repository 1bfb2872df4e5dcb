import type { Graph, Initializer, Node } from '../../shared/onnx/graph.ts'
import { operatorKey } from '../../shared/onnx/operator-key.ts'
import { CONVOLUTION_OPERATORS } from './convolution-operators.ts'
import { ELEMENTWISE_OPERATORS } from './elementwise-operators.ts'
import { LAYOUT_OPERATORS } from './layout-operators.ts'
import { MATRIX_OPERATORS } from './matrix-operators.ts'
import { REDUCING_OPERATORS } from './reducing-operators.ts'
import type { Tensor } from './tensor.ts'

/** Computes a node's outputs; inputs that are left out are undefined. */
export type Operator = (node: Node, inputs: readonly Tensor[]) => Tensor[]

const OPERATORS: Readonly<Record<string, Operator>> = {
  ...CONVOLUTION_OPERATORS,
  ...ELEMENTWISE_OPERATORS,
  ...LAYOUT_OPERATORS,
  ...MATRIX_OPERATORS,
  ...REDUCING_OPERATORS,
}

/**
 * Prepares a graph for runs in float64, one operator after the other, as the ONNX specification words them:
 * what our graphs are held against. Slow, and independent of the product's code.
 */
export function interpret(
  graph: Graph,
): (feeds: Readonly<Record<string, Tensor>>, wanted: readonly string[]) => Tensor[] {
  const constants = new Map(graph.initializers.map((item) => [item.name, readConstant(item)]))
  const steps = graph.nodes.map((node) => {
    const operator = OPERATORS[operatorKey(node)]
    if (!operator) throw new Error(`the interpreter has no operator ${operatorKey(node)}`)
    return { node, operator }
  })
  return (feeds, wanted) => {
    const values = new Map(constants)
    for (const [name, value] of Object.entries(feeds)) values.set(name, value)
    for (const { node, operator } of steps) {
      const inputs = node.inputs.map((name) => values.get(name) as Tensor)
      const outputs = operator(node, inputs)
      node.outputs.forEach((name, index) => {
        if (name !== '') values.set(name, outputs[index] as Tensor)
      })
    }
    return wanted.map((name) => values.get(name) as Tensor)
  }
}

function readConstant({ type, dims, data }: Initializer): Tensor {
  if (type === 'int64') {
    return { dims, data: Float64Array.from(data as BigInt64Array, Number) }
  }
  return { dims, data: Float64Array.from(data as Float32Array) }
}
