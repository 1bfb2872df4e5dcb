import type { GraphBuilder } from '../../onnx/graph.ts'
import type { EncoderWeights, Linear } from '../source/weights.ts'
import type { Dialect } from './dialect.ts'
import { addLinear, type Numerics } from './numerics.ts'

/** Plain floating point: word rows looked up, linear layers as one Gemm each. */
export function createFloatDialect(weights: EncoderWeights, numerics: Numerics): Dialect {
  return {
    numerics,
    rows: 'flat',
    words: (g: GraphBuilder, ids: string) => {
      const { vocabulary, hidden } = weights.config
      // float64 runs only in calibration: a float32 table widened after the look-up is the same.
      const stored = numerics.type === 'float64' ? null : numerics
      const table = stored
        ? stored.constant(g, 'embeddings.words', [vocabulary, hidden], weights.words)
        : g.constant('embeddings.words', 'float32', [vocabulary, hidden], weights.words)
      const rows = g.op('Gather', [table, ids], { axis: 0 })
      return stored ? rows : numerics.fromFloat32(g, rows)
    },
    norm(g, name, sum, norm) {
      const x = numerics.layerNorm(g, name, sum, norm)
      return { input: x, residual: x }
    },
    normInput: (g, name, sum, norm) => numerics.layerNorm(g, name, sum, norm),
    linear(g, site, input, linear) {
      const parts = site.kind === 'qkv' ? splitLinear(linear, 3) : [linear]
      return parts.map((part, index) => {
        const name = `layers.${site.layer}.${site.kind}${parts.length > 1 ? `.${index}` : ''}`
        return addLinear(g, numerics, name, input, part)
      })
    },
  }
}

/** Equal shares of a layer's outputs, as views. */
function splitLinear({ inputs, outputs, weight, bias }: Linear, parts: number): Linear[] {
  const size = outputs / parts
  return Array.from({ length: parts }, (_, part) => ({
    inputs,
    outputs: size,
    weight: weight.subarray(part * size * inputs, (part + 1) * size * inputs),
    bias: bias.subarray(part * size, (part + 1) * size),
  }))
}
