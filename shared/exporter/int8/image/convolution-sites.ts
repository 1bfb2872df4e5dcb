import { readConvolution } from '../../../onnx/convolution.ts'
import type { Graph, Initializer, Node } from '../../../onnx/graph.ts'

/** A convolution that runs on uint8 values and int8 weights. */
export interface ConvolutionSite {
  readonly node: Node
  readonly input: string
  /** What it makes, its activation included. */
  readonly output: string
  readonly groups: number
  readonly outputs: number
  /** Rows and columns of its window. */
  readonly kernel: readonly [number, number]
  /** Numbers that one output is made of: input channels of its group, times the kernel's size. */
  readonly taps: number
  /** Shape [outputs, taps]. */
  readonly weight: Float32Array
  /** Shape [outputs]; null for none. */
  readonly bias: Float32Array | null
}

/** What of a graph runs in int8. */
export interface ConvolutionPlan {
  /** By the node of the convolution. */
  readonly sites: ReadonlyMap<Node, ConvolutionSite>
  /** What else keeps to uint8: sums, largest values and joined channels of such values, with what each makes. */
  readonly passing: ReadonlyMap<Node, string>
  /** Activations that the range of a value in uint8 does the work of. */
  readonly absorbed: ReadonlySet<Node>
  /** Values in uint8, and the bounds that their activation gives them. */
  readonly bounds: ReadonlyMap<string, Bounds>
}

/** The least and largest number that a value can be. */
export interface Bounds {
  readonly low: number
  readonly high: number
}

const FREE: Bounds = { low: -Infinity, high: Infinity }

/**
 * Finds the convolutions of known weights over rows and columns, and the operators between them that can stay in
 * uint8. A ReLU, or a Clip from zero on, that alone reads a value is part of what makes it.
 */
export function planConvolutions(graph: Graph): ConvolutionPlan {
  const constants = new Map(graph.initializers.map((tensor) => [tensor.name, tensor]))
  const readers = readersOf(graph)
  const made = new Set(graph.outputs.map(({ name }) => name))
  const sites = new Map<Node, ConvolutionSite>()
  const passing = new Map<Node, string>()
  const absorbed = new Set<Node>()
  const bounds = new Map<string, Bounds>()
  const close = (value: string): string => {
    const [reader, ...others] = readers.get(value) ?? []
    const activation = reader && readActivation(reader, constants)
    if (!activation || others.length > 0 || made.has(value)) {
      bounds.set(value, FREE)
      return value
    }
    const output = reader.outputs[0] as string
    absorbed.add(reader)
    bounds.set(output, activation)
    return output
  }
  for (const node of graph.nodes) {
    const [output] = node.outputs
    if (output === undefined || node.domain !== '') continue
    const site = readSite(node, constants)
    if (site) sites.set(node, { ...site, output: close(output) })
    else if (staysInUint8(node) && node.inputs.every((name) => bounds.has(name))) {
      const isPool = node.op === 'MaxPool'
      const kept = isPool ? output : close(output)
      passing.set(node, kept)
      if (isPool) bounds.set(output, bounds.get(node.inputs[0] as string) as Bounds)
    }
  }
  return { sites, passing, absorbed, bounds }
}

function readSite(
  node: Node,
  constants: ReadonlyMap<string, Initializer>,
): Omit<ConvolutionSite, 'output'> | null {
  const convolution = node.op === 'Conv' ? readConvolution(node) : null
  const [input, weightName = '', biasName = ''] = node.inputs
  const weight = constants.get(weightName)
  const bias = constants.get(biasName)
  if (!convolution || input === undefined || weight?.dims.length !== 4) return null
  if (!(weight.data instanceof Float32Array)) return null
  if (biasName !== '' && !(bias?.data instanceof Float32Array)) return null
  const outputs = weight.dims[0] as number
  return {
    node,
    input,
    groups: convolution.group,
    outputs,
    kernel: weight.dims.slice(2) as [number, number],
    taps: weight.data.length / outputs,
    weight: weight.data,
    bias: (bias?.data as Float32Array | undefined) ?? null,
  }
}

function staysInUint8({ op, inputs, outputs, attributes }: Node): boolean {
  if (op === 'Add') return true
  if (op === 'MaxPool') return outputs.length === 1
  return op === 'Concat' && attributes.axis === 1 && inputs.length > 1
}

/** What a value is bounded by behind this node; null where uint8 cannot do what it does. */
function readActivation(node: Node, constants: ReadonlyMap<string, Initializer>): Bounds | null {
  if (node.domain !== '') return null
  if (node.op === 'Relu') return { low: 0, high: Infinity }
  if (node.op !== 'Clip') return null
  const [low, high] = (['min', 'max'] as const).map((name, at) => {
    const attribute = node.attributes[name]
    if (typeof attribute === 'object' && 'float' in attribute) return attribute.float
    const input = node.inputs[at + 1] ?? ''
    if (input === '') return null
    const data = constants.get(input)?.data
    return data instanceof Float32Array && data.length === 1 ? (data[0] as number) : Number.NaN
  })
  if (low !== 0 || high === undefined || Number.isNaN(high)) return null
  return { low, high: high ?? Infinity }
}

function readersOf({ nodes }: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>()
  for (const node of nodes) {
    for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node])
  }
  return readers
}
