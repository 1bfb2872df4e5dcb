import type { GraphBuilder } from '../onnx/graph.ts'
import type { Dialect } from './encoder-graph.ts'
import { addLinear, type Numerics } from './numerics.ts'
import type { EncoderWeights } from './weights.ts'

/** Plain floating point: word rows looked up, linear layers as one Gemm each. */
export function createFloatDialect(weights: EncoderWeights, numerics: Numerics): Dialect {
  return {
    numerics,
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
    linear: (g, site, input, linear) =>
      addLinear(g, numerics, `layers.${site.layer}.${site.kind}`, input.value, linear),
  }
}
