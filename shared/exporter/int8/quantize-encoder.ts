import { setImmediate as yieldToLoop } from 'node:timers/promises'
import type { EncoderWeights, LayerWeights, Linear } from '../source/weights.ts'
import type { Site } from '../text/dialect.ts'
import { blockOf } from '../text/layer-graph.ts'
import { measureRanges } from './calibrate.ts'
import {
  type Calibration,
  invalid,
  listSites,
  roundMean,
  roundRanges,
  type SiteCalibration,
  siteKey,
} from './calibration-file.ts'
import type { CalibrationTexts } from './calibration-texts.ts'
import { roundWithFeedback } from './error-feedback.ts'
import { type Moments, measureMoments } from './moments.ts'
import {
  assembleLinear,
  type InputGrid,
  MAX_WEIGHT,
  planGrid,
  type QuantizedLinear,
  type Ranges,
  type ScaledWeights,
  scaleWeights,
} from './quantize.ts'
import { decodeRounding, encodeRounding } from './rounding-code.ts'
import { splitChannels } from './split-channels.ts'
import type { CalibrateOptions } from './tapped-run.ts'

/** An encoder in int8. */
export interface QuantizedEncoder {
  /** The weights that the graph is built from: wider than the original ones where channels were split. */
  readonly weights: EncoderWeights
  /** By site key. */
  readonly layers: ReadonlyMap<string, QuantizedLinear>
}

/**
 * Learns from texts what int8 needs: ranges first, then, on the grids that follow from them, how to round
 * each layer's weights. The rounding takes a few seconds a layer on large encoders.
 */
export async function calibrateEncoder(
  weights: EncoderWeights,
  texts: CalibrationTexts,
  options: CalibrateOptions,
): Promise<Calibration> {
  const ranges = roundRanges(await measureRanges(weights, texts.ids, options))
  const plan = planEncoder(weights, ranges)
  const moments = await measureMoments(plan.weights, plan.grids, texts.ids, options)
  const sites: Record<string, SiteCalibration> = {}
  const all = listSites(weights)
  for (const [index, site] of all.entries()) {
    options.signal?.throwIfAborted()
    options.onProgress?.('rounding weights', index, all.length)
    await yieldToLoop()
    const key = siteKey(site)
    const { low, high } = ranges.get(key) as Ranges
    const at = moments.get(key) as Moments
    const linear = linearAt(plan.weights, site)
    const scaled = scaleWeights(linear, plan.grids.get(key) as InputGrid)
    sites[key] = {
      low: Array.from(low),
      high: Array.from(high),
      mean: roundMean(at.mean),
      rounding: encodeRounding(scaled.values, roundLinear(linear, scaled, at)),
    }
    moments.delete(key)
  }
  options.onProgress?.('rounding weights', all.length, all.length)
  return { schema: 2, texts: texts.sha256, sites }
}

/**
 * Quantises every linear layer as its calibration says; the same input gives the same bits everywhere.
 * @throws EspalierError `invalid_model_file` when the calibration does not fit the weights
 */
export function quantizeEncoder(
  weights: EncoderWeights,
  calibration: Calibration,
): QuantizedEncoder {
  const entries = Object.entries(calibration.sites)
  const ranges = new Map(
    entries.map(([key, { low, high }]) => [
      key,
      { low: Float64Array.from(low), high: Float64Array.from(high) },
    ]),
  )
  const plan = planEncoder(weights, ranges)
  const layers = listSites(weights).map((site): [string, QuantizedLinear] => {
    const key = siteKey(site)
    const { mean, rounding } = calibration.sites[key] as SiteCalibration
    const linear = linearAt(plan.weights, site)
    if (mean.length !== linear.inputs) throw invalid(`${key} does not hold ${linear.inputs} means`)
    const grid = plan.grids.get(key) as InputGrid
    const scaled = scaleWeights(linear, grid)
    const rounded = decodeRounding(scaled.values, rounding)
    return [key, assembleLinear(linear, grid, scaled, rounded, mean)]
  })
  return { weights: plan.weights, layers: new Map(layers) }
}

interface Plan {
  readonly weights: EncoderWeights
  readonly grids: ReadonlyMap<string, InputGrid>
}

/** Splits channels behind the activations and lays a grid over the input of each layer. */
function planEncoder(weights: EncoderWeights, ranges: ReadonlyMap<string, Ranges>): Plan {
  const grids = new Map<string, InputGrid>()
  const isGated = blockOf(weights).feedForward === 'gated'
  const layers = weights.layers.map((original, index) => {
    const keyOf = (kind: Site['kind']) => siteKey({ layer: index, kind })
    const innerRanges = ranges.get(keyOf('ffnOut')) as Ranges
    // A product of two parts has no highest value that a copy could go on from.
    const split = isGated
      ? { layer: original, grid: planGrid(original.ffnOut, innerRanges) }
      : splitChannels(original, innerRanges)
    for (const kind of ['qkv', 'out', 'ffnIn'] as const) {
      grids.set(keyOf(kind), planGrid(split.layer[kind], ranges.get(keyOf(kind)) as Ranges))
    }
    grids.set(keyOf('ffnOut'), split.grid)
    return split.layer
  })
  return { weights: { ...weights, layers }, grids }
}

function linearAt(weights: EncoderWeights, { layer, kind }: Site): Linear {
  return (weights.layers[layer] as LayerWeights)[kind]
}

function roundLinear(
  { inputs, outputs }: Linear,
  { values }: ScaledWeights,
  moments: Moments,
): Int8Array {
  const rounded = new Int8Array(inputs * outputs)
  const target = { values, inputs, outputs, limit: MAX_WEIGHT }
  for (const block of moments.blocks) {
    roundWithFeedback(target, block.from, moments.covariance(block), rounded)
  }
  return rounded
}
