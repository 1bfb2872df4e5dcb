import { encodeFloat16 } from '../../lib/maths/float16.ts'
import {
  ELEMENT_TYPES,
  type ElementType,
  type GraphBuilder,
  MICROSOFT_DOMAIN,
} from '../../onnx/graph.ts'
import type { Linear, Norm } from '../source/weights.ts'

/** Arithmetic of one floating-point type, in the operators that ONNX Runtime has for it. */
export interface Numerics {
  readonly type: ElementType
  /** Whether the Attention operator may be used: where it is known to run and to pay. */
  readonly fusedAttention: boolean
  constant(g: GraphBuilder, name: string, dims: readonly number[], values: Float32Array): string
  layerNorm(g: GraphBuilder, name: string, value: string, norm: Norm): string
  /** a·bᵀ·scale over the last two axes. */
  scaledProduct(g: GraphBuilder, a: string, b: string, scale: number): string
  gelu(g: GraphBuilder, value: string): string
  tanhGelu(g: GraphBuilder, value: string): string
  toFloat32(g: GraphBuilder, value: string): string
  fromFloat32(g: GraphBuilder, value: string): string
}

/** float32 and float16 share their operators; `epsilon` is the layer normalisations'. */
export function createNumerics(type: 'float32' | 'float16', epsilon: number): Numerics {
  const cast = (g: GraphBuilder, value: string, to: ElementType) =>
    type === 'float32' ? value : g.op('Cast', [value], { to: ELEMENT_TYPES[to] })
  return {
    type,
    fusedAttention: type === 'float32',
    constant: (g, name, dims, values) =>
      g.constant(name, type, dims, type === 'float16' ? encodeFloat16(values) : values),
    layerNorm(g, name, value, norm) {
      return addLayerNorm(this, g, name, value, norm, epsilon)
    },
    scaledProduct: (g, a, b, scale) =>
      g.op(
        'FusedMatMul',
        [a, b],
        { alpha: { float: scale }, transB: 1 },
        { domain: MICROSOFT_DOMAIN },
      ),
    gelu: (g, value) => g.op('Gelu', [value], {}, { domain: MICROSOFT_DOMAIN }),
    tanhGelu: (g, value) => g.op('FastGelu', [value], {}, { domain: MICROSOFT_DOMAIN }),
    toFloat32: (g, value) => cast(g, value, 'float32'),
    fromFloat32: (g, value) => cast(g, value, type),
  }
}

/**
 * float64, for calibration only: its rounding errors are so far below the digits that ranges keep
 * that every machine finds the same ranges. Gelu's erf is formula 7.1.26 of Abramowitz and Stegun
 * (|error| ≤ 1.5e-7), since ONNX Runtime has no float64 Erf.
 */
export function createFloat64Numerics(epsilon: number): Numerics {
  const scalar = (g: GraphBuilder, value: number) => {
    const name = `f64_${value}`
    return g.has(name) ? name : g.constant(name, 'float64', [], Float64Array.of(value))
  }
  return {
    type: 'float64',
    fusedAttention: false,
    constant: (g, name, dims, values) =>
      g.constant(name, 'float64', dims, Float64Array.from(values)),
    layerNorm(g, name, value, norm) {
      return addLayerNorm(this, g, name, value, norm, epsilon)
    },
    scaledProduct(g, a, b, scale) {
      const product = g.op('MatMul', [a, g.op('Transpose', [b], { perm: [0, 1, 3, 2] })])
      return g.op('Mul', [product, scalar(g, scale)])
    },
    gelu(g, value) {
      const x = g.op('Mul', [value, scalar(g, Math.SQRT1_2)])
      const half = g.op('Mul', [value, scalar(g, 0.5)])
      return g.op('Mul', [half, g.op('Add', [addErf(g, x, scalar), scalar(g, 1)])])
    },
    tanhGelu(g, value) {
      const cube = g.op('Mul', [g.op('Mul', [value, value]), value])
      const inner = g.op('Add', [value, g.op('Mul', [cube, scalar(g, 0.044715)])])
      const tanh = g.op('Tanh', [g.op('Mul', [inner, scalar(g, Math.sqrt(2 / Math.PI))])])
      const half = g.op('Mul', [value, scalar(g, 0.5)])
      return g.op('Mul', [half, g.op('Add', [tanh, scalar(g, 1)])])
    },
    toFloat32: (g, value) => g.op('Cast', [value], { to: ELEMENT_TYPES.float32 }),
    fromFloat32: (g, value) => g.op('Cast', [value], { to: ELEMENT_TYPES.float64 }),
  }
}

/** A linear layer in the given arithmetic: x [tokens, inputs] → [tokens, outputs]. */
export function addLinear(
  g: GraphBuilder,
  n: Numerics,
  name: string,
  value: string,
  linear: Linear,
): string {
  const weight = n.constant(g, `${name}.weight`, [linear.outputs, linear.inputs], linear.weight)
  const bias = n.constant(g, `${name}.bias`, [linear.outputs], linear.bias)
  return g.op('Gemm', [value, weight, bias], { transB: 1 })
}

function addLayerNorm(
  n: Numerics,
  g: GraphBuilder,
  name: string,
  value: string,
  norm: Norm,
  epsilon: number,
): string {
  const gamma = n.constant(g, `${name}.gamma`, [norm.gamma.length], norm.gamma)
  const beta = n.constant(g, `${name}.beta`, [norm.beta.length], norm.beta)
  const attributes = { axis: -1, epsilon: { float: epsilon } }
  return g.op('LayerNormalization', [value, gamma, beta], attributes)
}

function addErf(
  g: GraphBuilder,
  x: string,
  scalar: (g: GraphBuilder, value: number) => string,
): string {
  const size = g.op('Abs', [x])
  const scaled = g.op('Add', [g.op('Mul', [size, scalar(g, 0.3275911)]), scalar(g, 1)])
  const t = g.op('Div', [scalar(g, 1), scaled])
  let sum = scalar(g, 1.061405429)
  for (const coefficient of [-1.453152027, 1.421413741, -0.284496736, 0.254829592]) {
    sum = g.op('Add', [g.op('Mul', [sum, t]), scalar(g, coefficient)])
  }
  const decay = g.op('Exp', [g.op('Neg', [g.op('Mul', [x, x])])])
  const tail = g.op('Mul', [g.op('Mul', [sum, t]), decay])
  return g.op('Mul', [g.op('Sign', [x]), g.op('Sub', [scalar(g, 1), tail])])
}
