import { ELEMENT_TYPES, type GraphBuilder, MICROSOFT_DOMAIN } from '../onnx/graph.ts'
import { siteKey } from './calibration-file.ts'
import type { Dialect, LinearInput, Site } from './encoder-graph.ts'
import { createNumerics, type Numerics } from './numerics.ts'
import { type QuantizedLinear, quantizeLinear, quantizeRows, type Ranges } from './quantize.ts'
import type { EncoderWeights, Linear } from './weights.ts'

/** Part of the fingerprint: another number for every change that moves vectors. */
export const INT8_SCHEME = 'static-u8s7-folded-1'

/**
 * Static int8: nothing is measured at run time, so neighbours and padding cannot move a vector. Scales and
 * offsets are folded into what comes before each layer: a second layer normalisation before qkv and ffnIn,
 * the value columns before out; only ffnOut needs a multiplication and an addition of its own.
 */
export function createInt8Dialect(
  weights: EncoderWeights,
  ranges: ReadonlyMap<string, Ranges>,
): Dialect {
  const numerics = createNumerics('float32', weights.config.layerNormEpsilon)
  const quantized = new Map<string, QuantizedLinear>()
  const at = (site: Site, linear: Linear): QuantizedLinear => {
    const key = siteKey(site)
    const known = quantized.get(key) ?? quantizeLinear(linear, ranges.get(key) as Ranges)
    quantized.set(key, known)
    return known
  }
  return {
    numerics,
    words: (g, ids) => addWords(g, weights, ids),
    linear(g, site, input, linear) {
      const q = at(site, linear)
      const bytes = addQuantize(g, numerics, site, input, q)
      const out = weights.layers[site.layer]?.out as Linear
      const after = site.kind === 'qkv' ? at({ ...site, kind: 'out' }, out) : null
      return addProduct(g, site, bytes, linear, after ? foldIntoValues(q, after) : q)
    },
  }
}

/**
 * Makes the value columns come out as the quantised input of the next layer: a context row is a convex
 * mix of value rows, so an affine map of the columns passes through attention unchanged.
 */
function foldIntoValues(qkv: QuantizedLinear, out: QuantizedLinear): QuantizedLinear {
  const hidden = out.multiplier.length
  const scale = qkv.scale.slice()
  const bias = qkv.bias.slice()
  for (let c = 0; c < hidden; c++) {
    const column = 2 * hidden + c
    const factor = out.multiplier[c] as number
    scale[column] = (scale[column] as number) * factor
    bias[column] = (bias[column] as number) * factor + (out.offset[c] as number)
  }
  return { ...qkv, scale, bias }
}

function addQuantize(
  g: GraphBuilder,
  n: Numerics,
  site: Site,
  input: LinearInput,
  q: QuantizedLinear,
): string {
  const name = siteKey(site)
  const one = g.has('q_one') ? 'q_one' : g.constant('q_one', 'float32', [], Float32Array.of(1))
  const zero = g.has('q_zero') ? 'q_zero' : g.constant('q_zero', 'uint8', [], Uint8Array.of(0))
  return g.op('QuantizeLinear', [scaledInput(g, n, name, site, input, q), one, zero])
}

function scaledInput(
  g: GraphBuilder,
  n: Numerics,
  name: string,
  site: Site,
  input: LinearInput,
  q: QuantizedLinear,
): string {
  if (site.kind === 'out') return input.value
  if (input.normOf) {
    const { gamma, beta } = input.normOf.norm
    const norm = {
      gamma: Float32Array.from(gamma, (value, c) => value * (q.multiplier[c] as number)),
      beta: Float32Array.from(
        beta,
        (value, c) => value * (q.multiplier[c] as number) + (q.offset[c] as number),
      ),
    }
    return n.layerNorm(g, `${name}.norm`, input.normOf.value, norm)
  }
  const width = [q.multiplier.length]
  const factor = g.constant(`${name}.multiplier`, 'float32', width, Float32Array.from(q.multiplier))
  const shift = g.constant(`${name}.offset`, 'float32', width, Float32Array.from(q.offset))
  return g.op('Add', [g.op('Mul', [input.value, factor]), shift])
}

function addProduct(
  g: GraphBuilder,
  site: Site,
  bytes: string,
  { inputs, outputs }: Linear,
  q: QuantizedLinear,
): string {
  const name = siteKey(site)
  const weight = g.constant(`${name}.weight`, 'int8', [inputs, outputs], q.weights)
  const scale = g.constant(`${name}.scale`, 'float32', [outputs], Float32Array.from(q.scale))
  const bias = g.constant(`${name}.bias`, 'float32', [outputs], Float32Array.from(q.bias))
  const operands = [bytes, weight, 'q_one', scale, '', '', bias]
  return g.op('MatMulIntegerToFloat', operands, {}, { domain: MICROSOFT_DOMAIN })
}

function addWords(g: GraphBuilder, { config, words }: EncoderWeights, ids: string): string {
  const { vocabulary, hidden } = config
  const { values, scales } = quantizeRows(words, hidden)
  const table = g.constant('embeddings.words', 'int8', [vocabulary, hidden], values)
  const steps = g.constant('embeddings.word_scales', 'float32', [vocabulary, 1], scales)
  const rows = g.op('Cast', [g.op('Gather', [table, ids], { axis: 0 })], {
    to: ELEMENT_TYPES.float32,
  })
  return g.op('Mul', [rows, g.op('Gather', [steps, ids], { axis: 0 })])
}
