import { normalCdf, normalQuantile } from '../../lib/maths/distributions.ts'
import { createRandom } from '../../lib/maths/random.ts'
import { ALPHA, type Interval } from './intervals.ts'

/** Tests drawn with replacement from the rows. */
const SAMPLES = 1000

/** A figure of rows that are counted in one after the other. */
export interface Tally {
  /** Forgets all rows. */
  clear(): void
  /** Counts a row in so many times; -1 takes it out. */
  add(row: number, times: number): void
  /** The figure of the rows that are counted in. */
  value(): number
}

/**
 * Bias-corrected and accelerated bootstrap interval (Efron 1987) of a figure over rows. Null where it has no width or
 * none can be computed: fewer than two rows, or a figure that no draw changes.
 */
export function bootstrapInterval(rows: number, tally: Tally, seed: number): Interval | null {
  if (rows < 2) return null
  tally.clear()
  for (let row = 0; row < rows; row++) tally.add(row, 1)
  const value = tally.value()
  const left = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    tally.add(row, -1)
    left[row] = tally.value()
    tally.add(row, 1)
  }
  const random = createRandom(seed)
  const drawn = Float64Array.from({ length: SAMPLES }, () => {
    tally.clear()
    for (let i = 0; i < rows; i++) tally.add(random.below(rows), 1)
    return tally.value()
  })
  return bcaInterval(value, drawn, left)
}

/** The same of a mean over rows. */
export function intervalOfMean(values: Float64Array, seed: number): Interval | null {
  let sum = 0
  let rows = 0
  const tally: Tally = {
    clear() {
      sum = 0
      rows = 0
    },
    add(row, times) {
      sum += times * values[row]!
      rows += times
    },
    value: () => sum / rows,
  }
  return bootstrapInterval(values.length, tally, seed)
}

/**
 * The interval from a figure, its values in bootstrap draws, and its values without each row in turn.
 * Null where the draws are all alike.
 */
export function bcaInterval(
  value: number,
  drawn: Float64Array,
  left: Float64Array,
): Interval | null {
  const sorted = Float64Array.from(drawn).sort()
  if (!(sorted[0]! < sorted[sorted.length - 1]!)) return null
  let below = 0
  for (const each of sorted) below += each < value ? 1 : each === value ? 0.5 : 0
  const bias = normalQuantile(below / sorted.length)
  const acceleration = accelerationOf(left)
  const place = (tail: number): number => {
    const shifted = bias + normalQuantile(tail)
    return normalCdf(bias + shifted / (1 - acceleration * shifted))
  }
  const low = quantileOf(sorted, place(ALPHA / 2))
  const high = quantileOf(sorted, place(1 - ALPHA / 2))
  return low < high ? { low, high, method: 'bca' } : null
}

/** Skewness of the figure's influence values, a sixth of it. */
function accelerationOf(left: Float64Array): number {
  const centre = left.reduce((sum, each) => sum + each, 0) / left.length
  let squares = 0
  let cubes = 0
  for (const each of left) {
    const pull = centre - each
    squares += pull ** 2
    cubes += pull ** 3
  }
  return squares > 0 ? cubes / (6 * squares ** 1.5) : 0
}

/** Linear between neighbours, as numpy and R (type 7) do. */
export function quantileOf(sorted: Float64Array, share: number): number {
  const place = Math.min(Math.max(share, 0), 1) * (sorted.length - 1)
  const before = sorted[Math.floor(place)]!
  return before + (place - Math.floor(place)) * (sorted[Math.ceil(place)]! - before)
}
