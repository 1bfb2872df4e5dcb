import type { Dimension, Graph, Node } from '../../onnx/graph.ts'
import { inferShapes } from '../../onnx/infer-shapes.ts'

/** Operators whose output lies where an input lay. */
const VIEWS = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity'])
/** Operators that ONNX Runtime runs in place where an input of the same size is not read again. */
const IN_PLACE = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Neg', 'Exp', 'Log', 'Sqrt', 'Erf', 'Relu', 'Softmax'],
  ...['Sigmoid', 'Tanh', 'Clip', 'Softplus', 'Abs', 'Sign', 'Where'],
])
const FLOAT_BYTES = 4

/** Sizes of the free dimensions of a run. */
export type RunDimensions = Readonly<Record<string, number>>

/**
 * Most bytes that values between operators, and the outputs, take at one time of a run: each lives from the
 * node that makes it to the last one that reads it. Values whose shape only a run can tell count nothing.
 */
export function peakActivations(graph: Graph, dimensions: RunDimensions): number {
  const sizes = sizesOf(graph, dimensions)
  const owners = new Map<string, string>()
  const owner = (name: string): string => owners.get(name) ?? name
  const readers = countReaders(graph, owners)
  let live = 0
  let peak = 0
  for (const node of graph.nodes) {
    const dying: string[] = []
    for (const name of node.inputs.map(owner)) {
      const left = (readers.get(name) ?? 0) - 1
      readers.set(name, left)
      if (left === 0) dying.push(name)
    }
    if (VIEWS.has(node.op)) continue
    const freed = dying.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0)
    const made = node.outputs.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0)
    const reused = IN_PLACE.has(node.op) ? reusable(node, dying, sizes) : 0
    peak = Math.max(peak, live + made - reused)
    live += made - freed
  }
  return peak
}

function reusable(
  node: Node,
  dying: readonly string[],
  sizes: ReadonlyMap<string, number>,
): number {
  const size = sizes.get(node.outputs[0] ?? '') ?? 0
  return dying.some((name) => sizes.get(name) === size) ? size : 0
}

/** Reads of each value that a node makes; an output of the graph has one more, which never comes. */
function countReaders(graph: Graph, owners: Map<string, string>): Map<string, number> {
  const readers = new Map<string, number>()
  const add = (name: string): void => {
    const owned = owners.get(name) ?? name
    readers.set(owned, (readers.get(owned) ?? 0) + 1)
  }
  for (const node of graph.nodes) {
    for (const name of node.inputs) add(name)
    const [output] = node.outputs
    const [input] = node.inputs
    if (VIEWS.has(node.op) && output !== undefined && input !== undefined) {
      owners.set(output, owners.get(input) ?? input)
    }
  }
  for (const { name } of graph.outputs) add(name)
  return readers
}

/** Bytes of each value that a node makes; constants and inputs lie elsewhere. */
function sizesOf(graph: Graph, dimensions: RunDimensions): Map<string, number> {
  const bind = (dim: Dimension): Dimension =>
    typeof dim === 'string' ? (dimensions[dim] ?? dim) : dim
  const inputs = graph.inputs.map((input) => ({ ...input, shape: input.shape.map(bind) }))
  const { shapes } = inferShapes({ ...graph, inputs })
  const sizes = new Map<string, number>()
  for (const { outputs } of graph.nodes) {
    for (const name of outputs) {
      const elements = shapes
        .get(name)
        ?.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : 0), 1)
      if (elements) sizes.set(name, elements * FLOAT_BYTES)
    }
  }
  return sizes
}
