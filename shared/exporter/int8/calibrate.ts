import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import { openSession } from '../../runtime/session.ts'
import type { EncoderWeights, LayerWeights, Linear } from '../source/weights.ts'
import type { SiteKind } from '../text/dialect.ts'
import { addActivation, blockOf } from '../text/layer-graph.ts'
import { createFloat64Numerics } from '../text/numerics.ts'
import { roundInBlocks } from './blocked-rounding.ts'
import {
  type Calibration,
  roundMean,
  roundRange,
  SITE_KINDS,
  type SiteCalibration,
  siteKey,
} from './calibration-file.ts'
import type { CalibrationTexts } from './calibration-texts.ts'
import { type Moments, measureMoments } from './moments.ts'
import { openProducts, type Products } from './products.ts'
import { MAX_WEIGHT, type Ranges, type ScaledWeights, scaleWeights } from './quantize.ts'
import { planLayer } from './quantize-encoder.ts'
import { encodeRounding } from './rounding-code.ts'
import { sampleTexts } from './sample-texts.ts'
import { type CalibrateOptions, type InputRows, tapLayers } from './tapped-run.ts'

/**
 * Learns from texts what int8 needs, layer by layer: the ranges of each linear layer's input, the grid that follows
 * from them, and how to round the weights for what comes on that grid.
 */
export async function calibrateEncoder(
  weights: EncoderWeights,
  texts: CalibrationTexts,
  options: CalibrateOptions,
): Promise<Calibration> {
  const sites: Record<string, SiteCalibration> = {}
  const count = weights.layers.length
  const products = await openProducts(options.threads)
  try {
    options.onProgress?.('calibrating', 0, count)
    let layer = 0
    for await (const inputs of tapLayers(weights, sampleTexts(weights, texts.ids), options)) {
      for (const [kind, site] of await calibrateLayer(weights, layer, inputs, products, options)) {
        sites[siteKey({ layer, kind })] = site
      }
      layer++
      options.onProgress?.('calibrating', layer, count)
    }
  } finally {
    await products.release()
  }
  return { schema: 2, texts: texts.sha256, sites }
}

async function calibrateLayer(
  weights: EncoderWeights,
  index: number,
  inputs: ReadonlyMap<SiteKind, InputRows>,
  products: Products,
  options: CalibrateOptions,
): Promise<Map<SiteKind, SiteCalibration>> {
  const rowsOf = (kind: SiteKind) => inputs.get(kind) as InputRows
  const ranges = new Map(SITE_KINDS.map((kind) => [kind, roundRange(measureRange(rowsOf(kind)))]))
  const original = weights.layers[index] as LayerWeights
  const { feedForward } = blockOf(weights)
  const plan = planLayer(original, feedForward, (kind) => ranges.get(kind) as Ranges)
  const sites = new Map<SiteKind, SiteCalibration>()
  for (const kind of SITE_KINDS) {
    options.signal?.throwIfAborted()
    const linear = plan.layer[kind]
    const extra = linear.inputs - original[kind].inputs
    const rows =
      extra === 0
        ? rowsOf(kind)
        : await addCopies(weights, plan.layer.ffnIn, extra, rowsOf('ffnIn'), rowsOf(kind), options)
    const moments = await measureMoments(rows, plan.grids[kind], options)
    const scaled = scaleWeights(linear, plan.grids[kind])
    const { low, high } = ranges.get(kind) as Ranges
    sites.set(kind, {
      low: Array.from(low),
      high: Array.from(high),
      mean: roundMean(moments.mean),
      rounding: encodeRounding(
        scaled.values,
        await roundLinear(linear, scaled, moments, products, options),
      ),
    })
  }
  return sites
}

/** Smallest and largest value of every channel. */
function measureRange({ width, values }: InputRows): Ranges {
  const low = new Float64Array(width).fill(Infinity)
  const high = new Float64Array(width).fill(-Infinity)
  for (let at = 0; at < values.length; at += width) {
    for (let c = 0; c < width; c++) {
      const value = values[at + c] as number
      if (value < (low[c] as number)) low[c] = value
      if (value > (high[c] as number)) high[c] = value
    }
  }
  return { low, high }
}

/** The activations with those of the split channels' copies, which are the last outputs of `ffnIn`, behind them. */
async function addCopies(
  weights: EncoderWeights,
  ffnIn: Linear,
  extra: number,
  below: InputRows,
  { width, values }: InputRows,
  { threads }: CalibrateOptions,
): Promise<InputRows> {
  const first = ffnIn.outputs - extra
  const matrix = Float64Array.from(ffnIn.weight.subarray(first * ffnIn.inputs))
  const bias = Float64Array.from(ffnIn.bias.subarray(first))
  const g = new GraphBuilder('copies')
  const sum = g.op(
    'Gemm',
    [
      g.input('x', 'float64', ['tokens', ffnIn.inputs]),
      g.constant('weight', 'float64', [extra, ffnIn.inputs], matrix),
      g.constant('bias', 'float64', [extra], bias),
    ],
    { transB: 1 },
  )
  const numerics = createFloat64Numerics(weights.config.layerNormEpsilon)
  g.output('y', addActivation(g, numerics, weights, sum), 'float64', ['tokens', extra])
  const session = await openSession(serializeModel(g.build()).graph, { threads })
  try {
    const tokens = values.length / width
    const { y } = await session.run({ x: { data: below.values, dims: [tokens, below.width] } })
    const copies = y?.data as Float64Array
    const wide = new Float64Array(tokens * (width + extra))
    for (let row = 0; row < tokens; row++) {
      wide.set(values.subarray(row * width, (row + 1) * width), row * (width + extra))
      const end = row * (width + extra) + width
      wide.set(copies.subarray(row * extra, (row + 1) * extra), end)
    }
    return { width: width + extra, values: wide }
  } finally {
    await session.release()
  }
}

async function roundLinear(
  { inputs, outputs }: Linear,
  { values }: ScaledWeights,
  moments: Moments,
  products: Products,
  { signal }: CalibrateOptions,
): Promise<Int8Array> {
  const rounded = new Int8Array(inputs * outputs)
  const target = { values, inputs, outputs, limit: MAX_WEIGHT }
  for (const block of moments.blocks) {
    signal?.throwIfAborted()
    await roundInBlocks(target, block.from, moments.covariance(block), rounded, products)
    await yieldToLoop()
  }
  return rounded
}
