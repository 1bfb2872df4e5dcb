import { ELEMENT_TYPES, type GraphBuilder, MICROSOFT_DOMAIN } from '../../onnx/graph.ts'
import type { EncoderWeights, Norm } from '../source/weights.ts'
import type { Dialect, Site } from '../text/dialect.ts'
import { blockOf } from '../text/layer-graph.ts'
import { createNumerics } from '../text/numerics.ts'
import { siteKey } from './calibration-file.ts'
import { type QuantizedLinear, quantizeRows } from './quantize.ts'

/** Part of the fingerprint: another number for every change that moves vectors. */
export const INT8_SCHEME = 'static-u8s7-folded-3'

/**
 * Static int8: nothing is measured at run time, so neighbours and padding cannot move a vector. Scales and
 * offsets are folded into what comes before each layer: the layer normalisation before qkv and ffnIn (the
 * residual is recovered by one multiplication), the value columns before out.
 */
export function createInt8Dialect(
  weights: EncoderWeights,
  layers: ReadonlyMap<string, QuantizedLinear>,
): Dialect {
  const numerics = createNumerics('float32', weights.config.layerNormEpsilon)
  const at = (site: Site) => layers.get(siteKey(site)) as QuantizedLinear
  const folding = foldingOf(weights)
  const foldNorm = (g: GraphBuilder, name: string, sum: string, norm: Norm, next: Site) => {
    const { multiplier, offset } = at(next)
    const gamma = norm.gamma.map((value, c) => value * (multiplier[c] as number))
    const beta = norm.beta.map(
      (value, c) => value * (multiplier[c] as number) + (offset[c] as number),
    )
    return numerics.layerNorm(g, name, sum, { gamma, beta })
  }
  return {
    numerics,
    rows: 'batched',
    words: (g, ids) => addWords(g, weights, ids),
    norm(g, name, sum, norm, next) {
      if (!next) {
        const x = numerics.layerNorm(g, name, sum, norm)
        return { input: x, residual: x }
      }
      const { multiplier } = at(next)
      const input = foldNorm(g, name, sum, norm, next)
      const inverse = Float32Array.from(multiplier, (factor) => 1 / factor)
      const factor = g.constant(`${name}.inverse`, 'float32', [inverse.length], inverse)
      return { input, residual: g.op('Mul', [input, factor]) }
    },
    normInput: foldNorm,
    linear(g, site, input) {
      const q = foldShifts(at, site, folding)
      const bytes = addQuantize(g, site, input, q, folding)
      const parts = site.kind === 'qkv' ? 3 : 1
      return Array.from({ length: parts }, (_, part) => addProduct(g, site, bytes, q, part, parts))
    },
  }
}

/** Which neighbours of a layer take up its multipliers and offsets. */
interface Folding {
  /** Whether the residual that a layer closes was recovered from a normalisation. */
  isRecovered(site: Site): boolean
  /** Whether the factor's columns of a gated part take up the multipliers of `ffnOut`. */
  readonly gated: boolean
}

function foldingOf(weights: EncoderWeights): Folding {
  const { order, feedForward } = blockOf(weights)
  return {
    isRecovered: ({ layer, kind }) =>
      order === 'post' || (kind === 'out' && weights.layers[layer]?.attentionNorm === null),
    gated: feedForward === 'gated',
  }
}

/**
 * Moves into a layer's columns what its neighbours leave to it. A context row is a convex mix of value rows,
 * so the value columns come out as the quantised input of `out`; and a residual that was recovered by
 * multiplication alone still holds offset / multiplier, which the layer that closes it takes away.
 */
function foldShifts(
  at: (site: Site) => QuantizedLinear,
  site: Site,
  folding: Folding,
): QuantizedLinear {
  const q = at(site)
  if (site.kind === 'ffnIn' && !folding.gated) return q
  const scale = q.scale.slice()
  const bias = q.bias.slice()
  if (site.kind === 'qkv') {
    const { multiplier, offset } = at({ ...site, kind: 'out' })
    const first = scale.length - multiplier.length
    multiplier.forEach((factor, c) => {
      scale[first + c] = (scale[first + c] as number) * factor
      bias[first + c] = (bias[first + c] as number) * factor + (offset[c] as number)
    })
  } else if (site.kind === 'ffnIn') {
    const { multiplier } = at({ ...site, kind: 'ffnOut' })
    const first = scale.length - multiplier.length
    multiplier.forEach((factor, c) => {
      scale[first + c] = (scale[first + c] as number) * factor
      bias[first + c] = (bias[first + c] as number) * factor
    })
  } else if (folding.isRecovered(site)) {
    const { multiplier, offset } = at({ ...site, kind: site.kind === 'out' ? 'qkv' : 'ffnIn' })
    multiplier.forEach((factor, c) => {
      bias[c] = (bias[c] as number) - (offset[c] as number) / factor
    })
  }
  return { ...q, scale, bias }
}

/**
 * Rounds and clips. Only ffnOut, behind an activation, has to apply its multiplier and offset here: for
 * nothing where every channel has the same ones, else by an operator for each. The factor of a gate has the
 * multiplier already.
 */
function addQuantize(
  g: GraphBuilder,
  site: Site,
  input: string,
  q: QuantizedLinear,
  { gated }: Folding,
): string {
  const name = siteKey(site)
  let value = input
  let step = 1
  let zeroPoint = 0
  if (site.kind === 'ffnOut') {
    const multiplier = gated ? 1 : commonValue(q.multiplier)
    const offset = commonValue(q.offset)
    const width = [q.multiplier.length]
    if (multiplier === null) {
      const factors = Float32Array.from(q.multiplier)
      value = g.op('Mul', [value, g.constant(`${name}.multiplier`, 'float32', width, factors)])
    } else step = 1 / multiplier
    if (offset === null || !isByte(offset)) {
      const shifts = Float32Array.from(q.offset, (shift) => shift * step)
      value = g.op('Add', [value, g.constant(`${name}.offset`, 'float32', width, shifts)])
    } else zeroPoint = offset
  }
  return g.op('QuantizeLinear', [value, scalar(g, 'float32', step), scalar(g, 'uint8', zeroPoint)])
}

/** The one value of all elements, null where they differ. */
function commonValue(values: Float64Array): number | null {
  const [first = 0] = values
  return values.every((value) => value === first) ? first : null
}

function isByte(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 255
}

/** A shared scalar constant. */
function scalar(g: GraphBuilder, type: 'float32' | 'uint8', value: number): string {
  const name = `${type}_${value}`
  if (g.has(name)) return name
  const data = type === 'float32' ? Float32Array.of(value) : Uint8Array.of(value)
  return g.constant(name, type, [], data)
}

/** The product with one of several equal shares of a layer's columns. */
function addProduct(
  g: GraphBuilder,
  site: Site,
  bytes: string,
  q: QuantizedLinear,
  part: number,
  parts: number,
): string {
  const name = `${siteKey(site)}${parts > 1 ? `.${part}` : ''}`
  const inputs = q.multiplier.length
  const outputs = q.scale.length / parts
  const [from, to] = [part * outputs, (part + 1) * outputs]
  const columns = parts > 1 ? cutColumns(q.weights, q.scale.length, from, to) : q.weights
  const slice = (values: Float64Array) => Float32Array.from(values.subarray(from, to))
  const weight = g.constant(`${name}.weight`, 'int8', [inputs, outputs], columns)
  const scale = g.constant(`${name}.scale`, 'float32', [outputs], slice(q.scale))
  const bias = g.constant(`${name}.bias`, 'float32', [outputs], slice(q.bias))
  const operands = [bytes, weight, scalar(g, 'float32', 1), scale, '', '', bias]
  return g.op('MatMulIntegerToFloat', operands, {}, { domain: MICROSOFT_DOMAIN })
}

function cutColumns(matrix: Int8Array, width: number, from: number, to: number): Int8Array {
  const cut = new Int8Array((matrix.length / width) * (to - from))
  for (let row = 0; row * width < matrix.length; row++) {
    cut.set(matrix.subarray(row * width + from, row * width + to), row * (to - from))
  }
  return cut
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
