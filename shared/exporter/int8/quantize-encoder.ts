import type { EncoderWeights, LayerWeights, Linear } from '../source/weights.ts'
import type { SiteKind } from '../text/dialect.ts'
import { blockOf } from '../text/layer-graph.ts'
import {
  type Calibration,
  invalid,
  SITE_KINDS,
  type SiteCalibration,
  siteKey,
} from './calibration-file.ts'
import {
  assembleLinear,
  type InputGrid,
  planGrid,
  type QuantizedLinear,
  type Ranges,
  scaleWeights,
} from './quantize.ts'
import { decodeRounding } from './rounding-code.ts'
import { splitChannels } from './split-channels.ts'

/** An encoder in int8. */
export interface QuantizedEncoder {
  /** What the graph takes from the weights: wider layers where channels were split, without their matrices. */
  readonly weights: EncoderWeights
  /** By site key. */
  readonly layers: ReadonlyMap<string, QuantizedLinear>
}

/**
 * Quantises every linear layer as its calibration says; the same input gives the same bits everywhere.
 * @throws EspalierError `invalid_model_file` when the calibration does not fit the weights
 */
export function quantizeEncoder(
  weights: EncoderWeights,
  calibration: Calibration,
): QuantizedEncoder {
  const { feedForward } = blockOf(weights)
  const layers = new Map<string, QuantizedLinear>()
  const slim = weights.layers.map((original, layer) => {
    const at = (kind: SiteKind) => calibration.sites[siteKey({ layer, kind })] as SiteCalibration
    const plan = planLayer(original, feedForward, (kind) => ({
      low: Float64Array.from(at(kind).low),
      high: Float64Array.from(at(kind).high),
    }))
    for (const kind of SITE_KINDS) {
      const key = siteKey({ layer, kind })
      const { mean, rounding } = at(kind)
      const linear = plan.layer[kind]
      if (mean.length !== linear.inputs) {
        throw invalid(`${key} does not hold ${linear.inputs} means`)
      }
      const grid = plan.grids[kind]
      const scaled = scaleWeights(linear, grid)
      const rounded = decodeRounding(scaled.values, rounding)
      layers.set(key, assembleLinear(linear, grid, scaled, rounded, mean))
    }
    return withoutMatrices(plan.layer)
  })
  return { weights: { ...weights, layers: slim }, layers }
}

/** A layer as it is quantised: its channels split, and the grid of the input of each of its linear layers. */
export interface LayerPlan {
  readonly layer: LayerWeights
  readonly grids: Readonly<Record<SiteKind, InputGrid>>
}

/** Splits channels behind the activation and lays a grid over the input of each linear layer. */
export function planLayer(
  original: LayerWeights,
  feedForward: ReturnType<typeof blockOf>['feedForward'],
  rangesOf: (kind: SiteKind) => Ranges,
): LayerPlan {
  const inner = rangesOf('ffnOut')
  // A product of two parts has no highest value that a copy could go on from.
  const { layer, grid } =
    feedForward === 'gated'
      ? { layer: original, grid: planGrid(original.ffnOut, inner) }
      : splitChannels(original, inner)
  const plan = (kind: SiteKind) => planGrid(layer[kind], rangesOf(kind))
  const grids = { qkv: plan('qkv'), out: plan('out'), ffnIn: plan('ffnIn'), ffnOut: grid }
  return { layer, grids }
}

/** Shapes and biases stay; the matrices are in the quantised layers, and twice they would not fit small memory. */
function withoutMatrices(layer: LayerWeights): LayerWeights {
  const slim = (linear: Linear): Linear => ({ ...linear, weight: new Float32Array(0) })
  const { qkv, out, ffnIn, ffnOut } = layer
  return {
    ...layer,
    qkv: slim(qkv),
    out: slim(out),
    ffnIn: slim(ffnIn),
    ffnOut: slim(ffnOut),
  }
}
