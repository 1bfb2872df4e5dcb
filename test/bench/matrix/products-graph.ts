import { createRandom } from '../../../shared/lib/maths/random.ts'
import { type Graph, GraphBuilder, MICROSOFT_DOMAIN } from '../../../shared/onnx/graph.ts'
import type { BenchPrecision } from '../contestants/own.ts'

/** The numbers of an encoder that its matrix products depend on. */
export interface EncoderShape {
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly intermediate: number
}

/** Names of the inputs; every layer reads the same activations. */
export const PRODUCT_INPUTS = {
  /** [tokens, hidden] and [tokens, intermediate]: uint8 for int8. */
  states: 'states',
  inner: 'inner',
  /** [batch, heads, tokens, size] float32: queries, keys and values alike. */
  parts: 'parts',
  /** [batch, heads, tokens, tokens] float32. */
  shares: 'shares',
} as const

/** Weights of the int8 graph stay in ±63, as the product's do. */
const MAX_WEIGHT = 63

/**
 * A graph of an encoder's matrix products and nothing else, each layer with weights of its own: qkv, q·kᵀ,
 * shares·v, out, ffnIn, ffnOut. ONNX Runtime runs every node, read or not, so a tiny output suffices.
 */
export function buildProductsGraph(shape: EncoderShape, precision: BenchPrecision): Graph {
  const { layers, hidden, heads, intermediate } = shape
  const g = new GraphBuilder('products')
  const type = precision === 'int8' ? 'uint8' : 'float32'
  const states = g.input(PRODUCT_INPUTS.states, type, ['rows', hidden])
  const inner = g.input(PRODUCT_INPUTS.inner, type, ['rows', intermediate])
  const size = hidden / heads
  const parts = g.input(PRODUCT_INPUTS.parts, 'float32', ['batch', heads, 'tokens', size])
  const shares = g.input(PRODUCT_INPUTS.shares, 'float32', ['batch', heads, 'tokens', 'tokens'])
  const linear = precision === 'int8' ? createInt8Linear(g) : createFloatLinear(g)
  let last = ''
  for (let layer = 0; layer < layers; layer++) {
    linear(`${layer}.qkv`, states, hidden, 3 * hidden)
    const scaled = { alpha: { float: 1 / Math.sqrt(size) }, transB: 1 }
    g.op('FusedMatMul', [parts, parts], scaled, { domain: MICROSOFT_DOMAIN })
    g.op('MatMul', [shares, parts])
    linear(`${layer}.out`, states, hidden, hidden)
    linear(`${layer}.ffnIn`, states, hidden, intermediate)
    last = linear(`${layer}.ffnOut`, inner, intermediate, hidden)
  }
  g.output('shape', g.op('Shape', [last]), 'int64', [2])
  return g.build()
}

/** Multiplications and additions of one padded run. */
export function countOperations(
  { layers, hidden, intermediate }: EncoderShape,
  { batch, width }: { readonly batch: number; readonly width: number },
): number {
  const tokens = batch * width
  const linear = 2 * tokens * (4 * hidden * hidden + 2 * hidden * intermediate)
  const attention = 2 * 2 * tokens * width * hidden
  return layers * (linear + attention)
}

type AddLinear = (name: string, value: string, inputs: number, outputs: number) => string

function createInt8Linear(g: GraphBuilder): AddLinear {
  const random = createRandom(1)
  const one = g.constant('one', 'float32', [], Float32Array.of(1))
  return (name, value, inputs, outputs) => {
    const data = Int8Array.from({ length: inputs * outputs }, () => {
      return random.below(2 * MAX_WEIGHT + 1) - MAX_WEIGHT
    })
    const weight = g.constant(`${name}.weight`, 'int8', [inputs, outputs], data)
    const scales = new Float32Array(outputs).fill(0.01)
    const scale = g.constant(`${name}.scale`, 'float32', [outputs], scales)
    const bias = g.constant(`${name}.bias`, 'float32', [outputs], new Float32Array(outputs))
    const operands = [value, weight, one, scale, '', '', bias]
    return g.op('MatMulIntegerToFloat', operands, {}, { domain: MICROSOFT_DOMAIN })
  }
}

function createFloatLinear(g: GraphBuilder): AddLinear {
  const random = createRandom(1)
  return (name, value, inputs, outputs) => {
    const data = Float32Array.from({ length: inputs * outputs }, () => random.next() - 0.5)
    const weight = g.constant(`${name}.weight`, 'float32', [outputs, inputs], data)
    const bias = g.constant(`${name}.bias`, 'float32', [outputs], new Float32Array(outputs))
    return g.op('Gemm', [value, weight, bias], { transB: 1 })
  }
}
