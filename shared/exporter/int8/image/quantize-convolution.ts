import { invalid } from '../calibration-file.ts'
import { roundWithFeedback } from '../error-feedback.ts'
import { decodeRounding, encodeRounding } from '../rounding-code.ts'
import type { ConvolutionSite } from './convolution-sites.ts'
import type { ConvolutionCalibration, Grid } from './image-calibration-file.ts'
import { areSafe, leastStep } from './weight-limits.ts'

/** First and second moments of what a convolution reads, by group and by blocks of its taps. */
export interface ConvolutionMoments {
  /** Shape [groups, taps]. */
  readonly mean: Float64Array
  /** Covariances [size, size] of taps [from, from + size) of one group. */
  readonly blocks: readonly {
    readonly group: number
    readonly from: number
    readonly covariance: Float64Array
  }[]
}

/** A convolution on uint8: sums of q · weights + bias, times the steps of input and weights. */
export interface QuantizedConvolution {
  /** Shape [outputs, taps], values in ±127, none of which saturate in pairs. */
  readonly weights: Int8Array
  /** The step of each output's weights. */
  readonly scale: Float32Array
  /** In steps of the sums, shape [outputs]. */
  readonly bias: Int32Array
}

/** Keeps biases within 32 bits, and outputs without weights from division by zero. */
const MAX_BIAS = 2 ** 28
/** Directions that calibration images hardly show have to be steadied more than those of texts. */
const DAMPING = 0.1
const MIN_STEP = 1e-12
const INT8_LIMIT = 127
/** More than a float32 is off by, less than int8 can tell. */
const ROUNDING = 1e-6

/** Learns how to round the weights of a convolution, with the error of one fed into the next. */
export function roundConvolution(
  site: ConvolutionSite,
  input: Grid,
  { mean, blocks }: ConvolutionMoments,
): ConvolutionCalibration {
  const { groups, outputs, taps } = site
  const { values } = scaleConvolution(site, input)
  const rounded = new Int8Array(values.length)
  const perGroup = outputs / groups
  const size = perGroup * taps
  for (const { group, from, covariance } of blocks) {
    const part = { from: group * size, to: (group + 1) * size }
    const target = {
      values: values.subarray(part.from, part.to),
      inputs: taps,
      outputs: perGroup,
      limit: INT8_LIMIT,
      damping: DAMPING,
    }
    const squares = covariance.map((value) => value / input.step ** 2)
    roundWithFeedback(target, from, squares, rounded.subarray(part.from, part.to))
  }
  const shift = Array.from({ length: outputs }, (_, j) => {
    const group = Math.floor(j / perGroup)
    let sum = 0
    for (let t = 0; t < taps; t++) {
      const error = (values[j * taps + t] as number) - (rounded[j * taps + t] as number)
      sum += (error * (mean[group * taps + t] as number)) / input.step
    }
    return Math.round(sum)
  })
  return { shift, rounding: encodeRounding(values, rounded) }
}

/**
 * Quantises a convolution as its calibration says; the same input gives the same bits everywhere.
 * @throws EspalierError `invalid_model_file` when the calibration is not of these weights
 */
export function quantizeConvolution(
  site: ConvolutionSite,
  input: Grid,
  { shift, rounding }: ConvolutionCalibration,
): QuantizedConvolution {
  const { values, scale } = scaleConvolution(site, input)
  const weights = decodeRounding(values, rounding)
  for (let j = 0; j < site.outputs; j++) {
    if (areSafe(site, weights.subarray(j * site.taps, (j + 1) * site.taps))) continue
    throw invalid(`${site.output}: its rounding is of other weights`)
  }
  const bias = Int32Array.from(shift, (moved, j) => {
    const unit = input.step * (scale[j] as number)
    return Math.round((site.bias?.[j] ?? 0) / unit) + moved
  })
  return { weights, scale, bias }
}

/** Weights in units of their output's step. */
function scaleConvolution(
  site: ConvolutionSite,
  input: Grid,
): { readonly values: Float64Array; readonly scale: Float32Array } {
  const { outputs, taps, weight, bias } = site
  const scale = new Float32Array(outputs)
  const values = new Float64Array(weight.length)
  for (let j = 0; j < outputs; j++) {
    const row = weight.subarray(j * taps, (j + 1) * taps)
    const forBias = Math.abs(bias?.[j] ?? 0) / (input.step * MAX_BIAS)
    scale[j] = Math.max(leastStep(site, row), forBias, MIN_STEP)
    // A step rounded to float32 may leave the largest weight a hair beyond the last level.
    const unit = (scale[j] as number) * (1 + ROUNDING)
    for (let t = 0; t < taps; t++) values[j * taps + t] = (row[t] as number) / unit
  }
  return { values, scale }
}
