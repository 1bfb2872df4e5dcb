import { EspalierError } from '../lib/errors.ts'
import { countElements } from '../lib/maths/count-elements.ts'

/** Element types of ONNX tensors that the product writes, with their numbers in `TensorProto.DataType`. */
export const ELEMENT_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
} as const

export type ElementType = keyof typeof ELEMENT_TYPES

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
}

/** A number is a fixed size, a string a named free one. */
export type Dimension = number | string

export interface ValueInfo {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly Dimension[]
  /** Nothing is said about the shape, for ONNX Runtime to work out. */
  readonly anyShape?: true
}

/** A constant. `data` holds `dims` elements of `type`, little-endian. */
export interface Initializer {
  readonly name: string
  readonly type: ElementType
  readonly dims: readonly number[]
  readonly data: ArrayBufferView
}

export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: Initializer }

export interface Node {
  readonly name: string
  readonly op: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

/** A graph as plain data: what the writer serialises and what gradients are derived from. */
export interface Graph {
  readonly name: string
  /** Ours are written in an `Opset`, foreign ones keep theirs. */
  readonly opset: number
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly initializers: readonly Initializer[]
  readonly nodes: readonly Node[]
}

/**
 * Operator sets that graphs are written in: 17 has LayerNormalization and runs everywhere, 24 has Attention
 * with a length for each text.
 */
export type Opset = 17 | 24

/** ONNX Runtime's own operators. */
export const MICROSOFT_DOMAIN = 'com.microsoft'

/** How a graph is put into another one. */
export interface IncludeOptions {
  /** Goes before every name, to keep them apart from those that are there. */
  readonly prefix: string
  /** Values of the builder, by the names that stand for them in the graph: inputs, and constants to replace. */
  readonly given: ReadonlyMap<string, string>
}

/** Collects nodes and constants; every value is named by a string. */
export class GraphBuilder {
  readonly opset: number
  readonly #name: string
  readonly #inputs: ValueInfo[] = []
  readonly #outputs: ValueInfo[] = []
  readonly #initializers = new Map<string, Initializer>()
  readonly #nodes: Node[] = []
  #counter = 0

  /** @param opset an `Opset`, or that of a graph to be included */
  constructor(name: string, opset: number = 17) {
    this.#name = name
    this.opset = opset
  }

  /** Declares a graph input. */
  input(name: string, type: ElementType, shape: readonly Dimension[]): string {
    this.#inputs.push({ name, type, shape })
    return name
  }

  /** Declares an existing value as a graph output under the given name. */
  output(name: string, value: string, type: ElementType, shape: readonly Dimension[]): void {
    if (value !== name) this.op('Identity', [value], {}, { outputs: [name] })
    this.#outputs.push({ name, type, shape })
  }

  /** Adds a constant; the same name may be added once only. */
  constant(
    name: string,
    type: ElementType,
    dims: readonly number[],
    data: ArrayBufferView,
  ): string {
    const elements = countElements(dims)
    if (elements * ELEMENT_BYTES[type] !== data.byteLength || this.#initializers.has(name)) {
      throw new EspalierError(
        'internal',
        `constant ${name} [${dims.join(',')}] has ${data.byteLength} bytes or exists already`,
      )
    }
    this.#initializers.set(name, { name, type, dims, data })
    return name
  }

  /** True if a constant of that name exists. */
  has(name: string): boolean {
    return this.#initializers.has(name)
  }

  /** A small int64 vector, as shapes and axes are given; equal ones are shared. */
  int64s(...values: number[]): string {
    const name = `i64_${values.join('_').replaceAll('-', 'm')}`
    if (!this.#initializers.has(name)) {
      this.constant(name, 'int64', [values.length], BigInt64Array.from(values, BigInt))
    }
    return name
  }

  /** A scalar float32 constant; equal ones are shared. */
  scalar(value: number): string {
    const name = `f32_${value}`
    return this.has(name) ? name : this.constant(name, 'float32', [], Float32Array.of(value))
  }

  /** A name for a constant that none has yet. */
  unusedName(stem: string): string {
    let name = stem
    for (let i = 1; this.#initializers.has(name); i++) name = `${stem}_${i}`
    return name
  }

  /** Adds a node with one output and returns that output's name. */
  op(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: { readonly domain?: string; readonly outputs?: readonly string[] } = {},
  ): string {
    const index = this.#counter++
    const outputs = options.outputs ?? [`${op}_${index}`]
    this.#nodes.push({
      name: `${op}_${index}`,
      op,
      domain: options.domain ?? '',
      inputs,
      outputs,
      attributes,
    })
    return outputs[0] as string
  }

  /** Adds a reduction over one axis; operator set 18 moved axes from the attributes to the inputs. */
  reduce(
    op: 'ReduceL2' | 'ReduceMax' | 'ReduceMean',
    value: string,
    axis: number,
    keepdims: 0 | 1,
  ): string {
    return this.opset < 18
      ? this.op(op, [value], { axes: [axis], keepdims })
      : this.op(op, [value, this.int64s(axis)], { keepdims })
  }

  /** Adds a node with several outputs. */
  ops(
    op: string,
    inputs: readonly string[],
    count: number,
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): string[] {
    const outputs = Array.from({ length: count }, (_, i) => `${op}_${this.#counter}_${i}`)
    this.op(op, inputs, attributes, { domain, outputs })
    return outputs
  }

  /**
   * Adds the nodes and constants of a graph of the same operator set, so that one can start from a network of
   * somebody else. Returns what the graph's values are called here.
   */
  include(
    { nodes, initializers }: Pick<Graph, 'nodes' | 'initializers'>,
    { prefix, given }: IncludeOptions,
  ): (name: string) => string {
    const rename = (name: string): string =>
      name === '' ? '' : (given.get(name) ?? `${prefix}${name}`)
    for (const { name, type, dims, data } of initializers) {
      if (!given.has(name)) this.constant(rename(name), type, dims, data)
    }
    for (const node of nodes) {
      this.#nodes.push({
        ...node,
        name: `${prefix}${node.name}`,
        inputs: node.inputs.map(rename),
        outputs: node.outputs.map(rename),
      })
    }
    return rename
  }

  /** The graph collected so far. */
  build(): Graph {
    return {
      name: this.#name,
      opset: this.opset,
      inputs: this.#inputs,
      outputs: this.#outputs,
      initializers: [...this.#initializers.values()],
      nodes: this.#nodes,
    }
  }
}
