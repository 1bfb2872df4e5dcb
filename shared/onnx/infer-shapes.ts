import type { Shape } from './dimensions.ts'
import type { Graph, Initializer, Node } from './graph.ts'
import { operatorKey } from './operator-key.ts'
import { SHAPE_RULES } from './shape-rules.ts'

/** What is known of values before a run. */
export interface KnownShapes {
  readonly shapes: ReadonlyMap<string, Shape>
  /** Elements of short integer vectors, where they are known: what shapes are computed with. */
  readonly contents: ReadonlyMap<string, Shape>
}

/** Longer integer constants are data, never shapes: the most axes that ONNX Runtime handles, doubled. */
const MAX_SHAPE_ELEMENTS = 16

/**
 * Follows shapes through a graph, with free dimensions by name; nodes of other operators than the rules know,
 * and shapes that only a run can tell, are left out.
 */
export function inferShapes(graph: Graph): KnownShapes {
  const shapes = new Map<string, Shape>()
  const contents = new Map<string, Shape>()
  for (const { name, shape } of graph.inputs) shapes.set(name, shape)
  for (const tensor of graph.initializers) {
    shapes.set(tensor.name, tensor.dims)
    const content = readContent(tensor)
    if (content) contents.set(tensor.name, content)
  }
  for (const node of graph.nodes) inferNode(node, graph, shapes, contents)
  return { shapes, contents }
}

function inferNode(
  node: Node,
  graph: Graph,
  shapes: Map<string, Shape>,
  contents: Map<string, Shape>,
): void {
  const rule = SHAPE_RULES[operatorKey(node)]
  const inputs = node.inputs.map((name) => shapes.get(name) ?? null)
  if (!rule || node.inputs.some((name, i) => name !== '' && inputs[i] === null)) return
  const found = rule({
    node,
    opset: graph.opset,
    shape: (index) => inputs[index] ?? null,
    content: (index) => contents.get(node.inputs[index] ?? '') ?? null,
  })
  node.outputs.forEach((name, index) => {
    const shape = found?.shapes[index]
    if (shape) shapes.set(name, shape)
  })
  const [first] = node.outputs
  if (found?.content && first) contents.set(first, found.content)
}

function readContent({ type, dims, data }: Initializer): Shape | null {
  if (type !== 'int64' || dims.length > 1) return null
  const values = data as BigInt64Array
  return values.length > MAX_SHAPE_ELEMENTS ? null : Array.from(values, Number)
}
