/** Share of the mean variance added to each channel's own: steadies directions that calibration never saw. */
const DAMPING = 0.01
/** Where nothing varies, in squared steps of the input. */
const MIN_DAMPING = 1e-6

/** A real-valued matrix on its way to integers of at most ±limit, shape [outputs, inputs]. */
export interface Target {
  readonly values: Float64Array
  readonly inputs: number
  readonly outputs: number
  readonly limit: number
  /** Share of the mean variance that is added to each channel's own. @default 0.01 */
  readonly damping?: number
}

/**
 * Rounds the weights of channels [from, from + size) so that outputs change least for inputs of the given
 * covariance [size, size]: channels are rounded one by one, the largest variance first, and each takes up
 * the error left by those before it. Results are floor or ceiling of the values; no output ends up worse
 * than with nearest rounding. GPTQ, Frantar et al., 2022, https://arxiv.org/abs/2210.17323, in the form of
 * Babai's nearest plane, Chen et al., 2025, https://arxiv.org/abs/2507.18553.
 */
export function roundWithFeedback(
  target: Target,
  from: number,
  covariance: Float64Array,
  rounded: Int8Array,
): void {
  const { values, inputs, outputs, limit, damping = DAMPING } = target
  const size = Math.sqrt(covariance.length)
  const order = orderByVariance(covariance, size)
  const factor = decompose(covariance, size, order, damping)
  const column = new Float64Array(size)
  const fed = new Int8Array(size)
  const nearest = new Int8Array(size)
  for (let j = 0; j < outputs; j++) {
    const start = j * inputs + from
    for (let i = 0; i < size; i++) {
      const value = values[start + (order[i] as number)] as number
      column[i] = value
      nearest[i] = clip(Math.round(value), limit)
    }
    const error = feedBack(factor, column, limit, fed)
    const chosen = error < measureError(factor, column, nearest) ? fed : nearest
    for (let i = 0; i < size; i++) rounded[start + (order[i] as number)] = chosen[i] as number
  }
}

/** H = Rᵀ·D·R with R upper triangular and ones on its diagonal. */
interface Factor {
  readonly size: number
  /** R by columns: column c starts at c·size, its diagonal left out. */
  readonly columns: Float64Array
  /** D: what one squared unit of a channel's remaining error costs. */
  readonly weights: Float64Array
}

/** Channels by rising variance, ties by index: the last is rounded first. */
function orderByVariance(covariance: Float64Array, size: number): Int32Array {
  const variance = (c: number) => covariance[c * size + c] as number
  const order = Int32Array.from({ length: size }, (_, c) => c)
  return order.sort((a, b) => variance(a) - variance(b) || a - b)
}

/**
 * Cholesky decomposition of the damped covariance. R says how the error of a channel moves the best value of
 * each channel before it; it is stored by columns so that memory is read in order.
 */
function decompose(
  covariance: Float64Array,
  size: number,
  order: Int32Array,
  share: number,
): Factor {
  let trace = 0
  for (let c = 0; c < size; c++) trace += covariance[c * size + c] as number
  const damping = Math.max((share * trace) / size, MIN_DAMPING)
  const rows = new Float64Array(size * size)
  const weights = new Float64Array(size)
  for (let k = 0; k < size; k++) {
    const row = rows.subarray(k * size, (k + 1) * size)
    const source = (order[k] as number) * size
    for (let i = k; i < size; i++) row[i] = covariance[source + (order[i] as number)] as number
    row[k] = (row[k] as number) + damping
    for (let m = 0; m < k; m++) {
      const factor = (rows[m * size + k] as number) * (weights[m] as number)
      subtractScaled(row, rows, m * size, factor, k, size)
    }
    const pivot = Math.max(row[k] as number, damping)
    weights[k] = pivot
    for (let i = k; i < size; i++) row[i] = (row[i] as number) / pivot
  }
  const columns = new Float64Array(size * size)
  for (let c = 0; c < size; c++) {
    for (let i = 0; i < c; i++) columns[c * size + i] = rows[i * size + c] as number
  }
  return { size, columns, weights }
}

function subtractScaled(
  row: Float64Array,
  rows: Float64Array,
  start: number,
  share: number,
  from: number,
  to: number,
): void {
  if (share === 0) return
  for (let i = from; i < to; i++) {
    row[i] = (row[i] as number) - share * (rows[start + i] as number)
  }
}

/** Rounds one output from its last channel to its first; returns its error, measured by the covariance. */
function feedBack(factor: Factor, column: Float64Array, limit: number, out: Int8Array): number {
  const { size, columns, weights } = factor
  const shift = new Float64Array(size)
  let total = 0
  for (let c = size - 1; c >= 0; c--) {
    const value = column[c] as number
    const wanted = value + (shift[c] as number)
    const floor = Math.floor(value)
    const result = clip(wanted - floor < 0.5 ? floor : floor + 1, limit)
    out[c] = result
    total += (weights[c] as number) * square(wanted - result)
    carry(columns, c * size, value - result, shift, c)
  }
  return total
}

/** The same measure for a given rounding. */
function measureError(factor: Factor, column: Float64Array, rounded: Int8Array): number {
  const { size, columns, weights } = factor
  const shift = new Float64Array(size)
  let total = 0
  for (let c = size - 1; c >= 0; c--) {
    const error = (column[c] as number) - (rounded[c] as number)
    total += (weights[c] as number) * square(error + (shift[c] as number))
    carry(columns, c * size, error, shift, c)
  }
  return total
}

function carry(
  columns: Float64Array,
  start: number,
  error: number,
  shift: Float64Array,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    shift[i] = (shift[i] as number) + (columns[start + i] as number) * error
  }
}

function square(value: number): number {
  return value * value
}

function clip(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value))
}
