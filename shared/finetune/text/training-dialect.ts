import type { EncoderWeights } from '../../exporter/source/weights.ts'
import { type AttentionOptions, addMasks, isRotated } from '../../exporter/text/attention-graph.ts'
import type { Dialect } from '../../exporter/text/dialect.ts'
import { blockOf } from '../../exporter/text/layer-graph.ts'
import { createNumerics, type Numerics } from '../../exporter/text/numerics.ts'
import { composeRotation } from '../../exporter/text/position-graph.ts'
import { type GraphBuilder, MICROSOFT_DOMAIN } from '../../onnx/graph.ts'

/** Names of a layer's linear layers in our tree, by their field in the weights. */
export const LINEAR_NAMES = { qkv: 'qkv', out: 'out', ffnIn: 'ffn_in', ffnOut: 'ffn_out' } as const

/**
 * float32 as gradients want it: what the reverse pass reads again is a value of the forward pass, constant
 * factors are folded into products, and tensors that are trained are graph inputs.
 */
export function createTrainingDialect(
  weights: EncoderWeights,
  trained: ReadonlySet<string>,
): Dialect {
  const { activation, layerNormEpsilon } = weights.config
  // Gelu works on x/√2 and leaves √2·gelu(x): both factors cost nothing inside the products around it.
  const isPlain = blockOf(weights).feedForward === 'plain'
  const scaled = activation === 'gelu' && isPlain
  const numerics = createTrainingNumerics(layerNormEpsilon, trained, scaled)
  return {
    numerics,
    rows: 'flat',
    words(g, ids) {
      const { vocabulary, hidden } = weights.config
      const table = g.constant('embeddings.words', 'float32', [vocabulary, hidden], weights.words)
      return g.op('Gather', [table, ids], { axis: 0 })
    },
    norm(g, name, sum, norm) {
      const x = numerics.layerNorm(g, name, sum, norm)
      return { input: x, residual: x }
    },
    normInput: (g, name, sum, norm) => numerics.layerNorm(g, name, sum, norm),
    linear(g, site, input, { inputs, outputs, weight, bias }) {
      const name = `layers.${site.layer}.${LINEAR_NAMES[site.kind]}`
      const matrix = numerics.constant(g, `${name}.weight`, [outputs, inputs], weight)
      const shift = numerics.constant(g, `${name}.bias`, [outputs], bias)
      const folded = scaled && (site.kind === 'ffnIn' || site.kind === 'ffnOut')
      if (!folded) return [g.op('Gemm', [input, matrix, shift], { transB: 1 })]
      const added = site.kind === 'ffnIn' ? g.op('Mul', [shift, g.scalar(Math.SQRT1_2)]) : shift
      const attributes = { alpha: { float: Math.SQRT1_2 }, transB: 1 }
      return [g.op('Gemm', [input, matrix, added], attributes)]
    },
    attention: attendStacked,
  }
}

function createTrainingNumerics(
  epsilon: number,
  trained: ReadonlySet<string>,
  scaled: boolean,
): Numerics {
  const plain = createNumerics('float32', epsilon)
  return {
    ...plain,
    fusedAttention: false,
    constant(g, name, dims, values) {
      return trained.has(name)
        ? g.input(name, 'float32', dims)
        : g.constant(name, 'float32', dims, values)
    },
    layerNorm(g, name, value, { gamma, beta }) {
      const scale = this.constant(g, `${name}.gamma`, [gamma.length], gamma)
      const shift = this.constant(g, `${name}.beta`, [beta.length], beta)
      const attributes = { axis: -1, epsilon: { float: epsilon } }
      return g.ops('LayerNormalization', [value, scale, shift], 3, attributes)[0] as string
    },
    /** x/√2 → √2·gelu(x) = x/√2 · (1 + erf(x/√2)); or x → gelu(x) where nothing around it takes the factors. */
    gelu(g, value) {
      const turn = (x: string) => g.op('Mul', [x, g.op('Add', [g.op('Erf', [x]), g.scalar(1)])])
      if (scaled) return turn(value)
      return g.op('Mul', [
        turn(g.op('Mul', [value, g.scalar(Math.SQRT1_2)])),
        g.scalar(Math.SQRT1_2),
      ])
    },
  }
}

/** Attention on rows of query, key and value side by side, [tokens of all texts, 3 · hidden]. */
function attendStacked(g: GraphBuilder, attention: AttentionOptions) {
  const { heads, headSize, ids } = attention
  const apart = g.op('Concat', [g.op('Shape', [ids]), g.int64s(3, heads, headSize)], { axis: 0 })
  const scoreMask = addMasks(g, attention)
  const rotate = isRotated(attention) ? composeRotation(g, attention) : (value: string) => value
  const alpha = { float: 1 / Math.sqrt(headSize) }
  return ([stacked]: readonly string[]): string => {
    const split = g.op('Reshape', [stacked as string, apart])
    const headsFirst = g.op('Transpose', [split], { perm: [2, 0, 3, 1, 4] })
    const [query, key, value] = g.ops('Split', [headsFirst], 3, { axis: 0 }) as [
      string,
      string,
      string,
    ]
    const options = { domain: MICROSOFT_DOMAIN }
    const scores = g.op('FusedMatMul', [rotate(query), rotate(key)], { alpha, transB: 1 }, options)
    const shares = g.op('Softmax', [g.op('Add', [scores, scoreMask])], { axis: -1 })
    const mixed = g.op('Transpose', [g.op('MatMul', [shares, value])], { perm: [0, 1, 3, 2, 4] })
    return g.op('Reshape', [mixed, g.int64s(-1, heads * headSize)])
  }
}
