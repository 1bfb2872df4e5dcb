import type { Linear } from '../source/weights.ts'

/** Smallest and largest value of each channel of a linear layer's input, over the calibration texts. */
export interface Ranges {
  readonly low: Float64Array
  readonly high: Float64Array
}

/** How a linear layer's input becomes uint8: q_c = clip(round(x_c · multiplier_c + offset_c), 0, 255). */
export interface InputGrid {
  readonly multiplier: Float64Array
  /** Integers. */
  readonly offset: Float64Array
}

/** A linear layer on uint8 inputs q: y_j = scale_j · Σ_c q_c·weights_cj + bias_j. */
export interface QuantizedLinear extends InputGrid {
  /** Shape [inputs, outputs], values in ±63. */
  readonly weights: Int8Array
  readonly scale: Float64Array
  readonly bias: Float64Array
}

/** Steps of an input: uint8. */
export const ACTIVATION_LEVELS = 255
/**
 * 7-bit weights: two products of 255·63 fit the 16-bit sums of CPUs without VNNI, AMX or dot products,
 * where 8-bit weights would saturate silently.
 */
export const MAX_WEIGHT = 63
/**
 * Exponent that shares the difficulty of a channel between activations and weights; 0.7 to 0.8 measured best
 * on this encoder. SmoothQuant, Xiao et al., 2023, https://arxiv.org/abs/2211.10438, section 4.
 */
const SMOOTHING = 0.7
const ACTIVATION_CENTRE = 128
/** Keeps channels that never move, and columns of zeros, away from division by zero. */
const MIN_RANGE = 1e-5

/** A grid with per-channel smoothing and offsets, and one step for the whole layer. */
export function planGrid(linear: Linear, ranges: Ranges): InputGrid {
  const { inputs } = linear
  const spread = Float64Array.from(ranges.high, (high, c) =>
    Math.max(high - (ranges.low[c] as number), MIN_RANGE),
  )
  const smoothing = smoothingFactors(linear, spread)
  let widest = 0
  for (let c = 0; c < inputs; c++) {
    widest = Math.max(widest, (spread[c] as number) / (smoothing[c] as number))
  }
  const step = widest / ACTIVATION_LEVELS
  const multiplier = smoothing.map((m) => 1 / (m * step))
  const offset = multiplier.map((factor, c) => {
    const centre = ((ranges.low[c] as number) + (ranges.high[c] as number)) / 2
    return Math.round(ACTIVATION_CENTRE - centre * factor)
  })
  return { multiplier, offset }
}

/** m_c = spread_c^a / max_j|W_cj|^(1−a), divided by the geometric mean. */
function smoothingFactors(linear: Linear, spread: Float64Array): Float64Array {
  const { inputs, outputs, weight } = linear
  const factors = new Float64Array(inputs)
  let logSum = 0
  for (let c = 0; c < inputs; c++) {
    let largest = MIN_RANGE
    for (let j = 0; j < outputs; j++) {
      largest = Math.max(largest, Math.abs(weight[j * inputs + c] as number))
    }
    factors[c] = (spread[c] as number) ** SMOOTHING / largest ** (1 - SMOOTHING)
    logSum += Math.log(factors[c] as number)
  }
  const mean = Math.exp(logSum / inputs)
  return factors.map((factor) => factor / mean)
}

/** Weights on a grid, in units of their columns' scales: what remains is to round them to ±63. */
export interface ScaledWeights {
  /** Shape [outputs, inputs]. */
  readonly values: Float64Array
  /** Shape [outputs]. */
  readonly scale: Float64Array
}

/** Divides weights by their input's multipliers, and those of each output by the largest / 63. */
export function scaleWeights(linear: Linear, { multiplier }: InputGrid): ScaledWeights {
  const { inputs, outputs, weight } = linear
  const values = new Float64Array(inputs * outputs)
  const scale = new Float64Array(outputs)
  const least = MIN_RANGE / multiplier.reduce((a, b) => Math.max(a, b))
  for (let j = 0; j < outputs; j++) {
    const start = j * inputs
    let largest = least
    for (let c = 0; c < inputs; c++) {
      const value = (weight[start + c] as number) / (multiplier[c] as number)
      values[start + c] = value
      largest = Math.max(largest, Math.abs(value))
    }
    const unit = largest / MAX_WEIGHT
    for (let c = 0; c < inputs; c++) values[start + c] = (values[start + c] as number) / unit
    scale[j] = unit
  }
  return { values, scale }
}

/**
 * Puts a layer together from its rounded weights [outputs, inputs]. The bias takes up the offsets, and what
 * rounding did to the mean output: with `mean` the mean of q, the mean of y stays that of the real weights.
 */
export function assembleLinear(
  linear: Linear,
  grid: InputGrid,
  { values, scale }: ScaledWeights,
  rounded: Int8Array,
  mean: ArrayLike<number>,
): QuantizedLinear {
  const { inputs, outputs } = linear
  const { offset } = grid
  const centred = offset.map((shift, c) => (mean[c] as number) - shift)
  const weights = new Int8Array(inputs * outputs)
  const bias = new Float64Array(outputs)
  for (let j = 0; j < outputs; j++) {
    let sum = 0
    for (let c = 0; c < inputs; c++) {
      const at = j * inputs + c
      const weight = rounded[at] as number
      weights[c * outputs + j] = weight
      sum += (centred[c] as number) * ((values[at] as number) - weight)
      sum -= (offset[c] as number) * weight
    }
    bias[j] = (linear.bias[j] as number) + (scale[j] as number) * sum
  }
  return { ...grid, weights, scale, bias }
}

/** int8 rows with one scale each: row_r ≈ values_r · scale_r. */
export function quantizeRows(
  table: Float32Array,
  width: number,
): { readonly values: Int8Array; readonly scales: Float32Array } {
  const rows = table.length / width
  const values = new Int8Array(table.length)
  const scales = new Float32Array(rows)
  for (let r = 0; r < rows; r++) {
    const row = table.subarray(r * width, (r + 1) * width)
    let largest = 0
    for (const value of row) largest = Math.max(largest, Math.abs(value))
    const scale = Math.fround(largest / 127)
    scales[r] = scale
    if (scale === 0) continue
    for (let c = 0; c < width; c++) {
      values[r * width + c] = Math.max(-127, Math.min(127, Math.round((row[c] as number) / scale)))
    }
  }
  return { values, scales }
}
