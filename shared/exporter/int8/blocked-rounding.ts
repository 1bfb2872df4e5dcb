import { type Factor, factorize, orderByVariance } from './covariance-factor.ts'
import type { Target } from './error-feedback.ts'
import type { Products } from './products.ts'

/** Share of the mean variance added to each channel's own: steadies directions that calibration never saw. */
const DAMPING = 0.01
/** Channels whose errors are handed on one by one; those of a whole block go on in one product. */
const BLOCK = 32
/** Channels of one product where nothing is handed on one by one. */
const STRIP = 128
/** Outputs that are worked on together, so that a block's shifts stay in the cache. */
const TILE = 256

/** Both roundings of every output: with feedback, and to the nearest. */
interface Work {
  readonly size: number
  readonly outputs: number
  /** Real values by channel in the order of the factor, shape [size, outputs]. */
  readonly values: Float64Array
  readonly fed: Rounding
  readonly nearest: Rounding
}

interface Rounding {
  readonly rounded: Int8Array
  /** What rounding left over, shape [size, outputs]. */
  readonly errors: Float64Array
  /** Errors measured by the covariance, shape [outputs]. */
  readonly totals: Float64Array
}

/**
 * The same as `roundWithFeedback`, for large matrices: channels go in blocks, and what the errors of later blocks
 * mean for one is a matrix product. Lazy batch updates, Frantar et al., 2022, section 3.3.
 */
export async function roundInBlocks(
  target: Target,
  from: number,
  covariance: Float64Array,
  rounded: Int8Array,
  products: Products,
): Promise<void> {
  const { inputs, outputs, limit, damping = DAMPING } = target
  const size = Math.sqrt(covariance.length)
  const order = orderByVariance(covariance, size)
  const factor = await factorize(covariance, size, order, damping, products)
  const work: Work = {
    size,
    outputs,
    values: new Float64Array(size * outputs),
    fed: createRounding(size, outputs),
    nearest: createRounding(size, outputs),
  }
  for (let j = 0; j < outputs; j++) {
    const start = j * inputs + from
    for (let c = 0; c < size; c++) {
      work.values[c * outputs + j] = target.values[start + (order[c] as number)] as number
    }
  }
  roundToNearest(work, limit)
  for (let to = size; to > 0; to -= STRIP) {
    const range = { first: Math.max(0, to - STRIP), to }
    await measureNearest(factor, work, range, products)
  }
  for (let to = size; to > 0; to -= BLOCK) {
    const first = Math.max(0, to - BLOCK)
    const range = { first, to, seen: to }
    const shifts = await gatherShifts(factor, work.fed.errors, outputs, range, products)
    for (let j = 0; j < outputs; j += TILE) {
      feedBack(factor, work, shifts, { first, to, limit, from: j })
    }
  }
  for (let j = 0; j < outputs; j++) {
    const isBetter = (work.fed.totals[j] as number) < (work.nearest.totals[j] as number)
    const chosen = (isBetter ? work.fed : work.nearest).rounded
    const start = j * inputs + from
    for (let c = 0; c < size; c++) {
      rounded[start + (order[c] as number)] = chosen[c * outputs + j] as number
    }
  }
}

function createRounding(size: number, outputs: number): Rounding {
  return {
    rounded: new Int8Array(size * outputs),
    errors: new Float64Array(size * outputs),
    totals: new Float64Array(outputs),
  }
}

function roundToNearest({ values, nearest }: Work, limit: number): void {
  const { rounded, errors } = nearest
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    const floor = Math.floor(value)
    const whole = value - floor < 0.5 ? floor : floor + 1
    const result = whole > limit ? limit : whole < -limit ? -limit : whole
    rounded[i] = result
    errors[i] = value - result
  }
}

/** What errors of channels behind `seen`, and behind a channel itself, ask of channels [first, to): [to − first, outputs]. */
async function gatherShifts(
  { size, rows }: Factor,
  errors: Float64Array,
  outputs: number,
  { first, to, seen }: { first: number; to: number; seen: number },
  products: Products,
): Promise<Float64Array> {
  const inner = size - seen
  if (inner === 0) return new Float64Array((to - first) * outputs)
  const part = new Float64Array((to - first) * inner)
  for (let c = first; c < to; c++) {
    const behind = Math.max(seen, c + 1)
    part.set(rows.subarray(c * size + behind, (c + 1) * size), (c - first) * inner + behind - seen)
  }
  return products.multiply(
    { data: part, rows: to - first, columns: inner },
    { data: errors.subarray(seen * outputs), rows: inner, columns: outputs },
  )
}

async function measureNearest(
  factor: Factor,
  { outputs, nearest: { errors, totals } }: Work,
  { first, to }: { first: number; to: number },
  products: Products,
): Promise<void> {
  const range = { first, to, seen: first }
  const shifts = await gatherShifts(factor, errors, outputs, range, products)
  for (let c = to - 1; c >= first; c--) {
    const weight = factor.weights[c] as number
    for (let j = 0; j < outputs; j++) {
      const left =
        (errors[c * outputs + j] as number) + (shifts[(c - first) * outputs + j] as number)
      totals[j] = (totals[j] as number) + weight * left * left
    }
  }
}

/** Rounds channels [first, to) of a tile of outputs, the last first. */
function feedBack(
  { size, rows, weights }: Factor,
  { outputs, values, fed: { rounded, errors, totals } }: Work,
  shifts: Float64Array,
  { first, to, limit, from }: { first: number; to: number; limit: number; from: number },
): void {
  const end = Math.min(from + TILE, outputs)
  for (let c = to - 1; c >= first; c--) {
    const weight = weights[c] as number
    const at = c * outputs
    const shiftAt = (c - first) * outputs
    for (let j = from; j < end; j++) {
      const value = values[at + j] as number
      const wanted = value + (shifts[shiftAt + j] as number)
      const floor = Math.floor(value)
      const whole = wanted - floor < 0.5 ? floor : floor + 1
      const result = whole > limit ? limit : whole < -limit ? -limit : whole
      const left = wanted - result
      rounded[at + j] = result
      errors[at + j] = value - result
      totals[j] = (totals[j] as number) + weight * left * left
    }
    for (let i = first; i < c; i++) {
      addScaled(
        shifts,
        (i - first) * outputs + from,
        errors,
        at + from,
        end - from,
        rows[i * size + c] as number,
      )
    }
  }
}

function addScaled(
  into: Float64Array,
  at: number,
  values: Float64Array,
  start: number,
  count: number,
  share: number,
): void {
  for (let j = 0; j < count; j++) {
    into[at + j] = (into[at + j] as number) + share * (values[start + j] as number)
  }
}
