import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import type { LabelledProbabilities } from './confident-learning.ts'

/**
 * How labels differ from what a classifier is sure of: a share `rate` of them was drawn by `flips`, the others
 * follow the classifier's probabilities, sharpened by `temperature`.
 */
export interface LabelNoise {
  /** Share of wrong labels, 0 to 1. */
  readonly rate: number
  /** What the temperature of the probabilities is multiplied by. */
  readonly temperature: number
  /** Twice the log-likelihood that the rate adds to a temperature alone. */
  readonly gain: number
  /** Shape [true, given], zero on the diagonal, rows sum to 1; null where a wrong label may be any other one. */
  readonly flips: Float64Array | null
}

/** Cells that the fit looks at: it costs some 40 exponentials a cell. */
const MAX_CELLS = 3_000_000
const LEAST = 1e-12
/** Logarithms of temperatures that are tried first, from 1.3 down to 0.05. */
const GRID = Array.from({ length: 14 }, (_, i) => 0.26 - i * 0.25)
const REFINEMENTS = 10
const BISECTIONS = 30
/** Below this the rate is nothing, whatever the likelihood says. */
const LEAST_RATE = 1e-4
const GOLDEN = (Math.sqrt(5) - 1) / 2

/** No noise: the probabilities as they are. */
export const NO_NOISE: LabelNoise = { rate: 0, temperature: 1, gain: 0, flips: null }

/**
 * Fits rate and temperature to out-of-fold probabilities by maximum likelihood. Wrong labels put a floor under
 * the probability of every label, which no temperature can: both are told apart by rows that are surer than others.
 */
export function fitLabelNoise(
  labelled: LabelledProbabilities,
  flips: Float64Array | null = null,
): LabelNoise {
  const sample = sampleOf(labelled)
  const { rows, columns } = sample.probabilities
  if (rows === 0 || columns < 2) return NO_NOISE
  const logs = sample.probabilities.data.map((p) => Math.log(Math.max(p, LEAST)))
  const scores = { data: logs, rows, columns }
  const at = (log: number) => {
    const rows = compareLabels(scores, sample.given, Math.exp(log), flips)
    return { log, plain: logLikelihood(rows, 0), ...fitRate(rows, columns) }
  }
  const tried = GRID.map(at)
  const best = tried.reduce((a, b) => (b.likelihood > a.likelihood ? b : a))
  const plain = Math.max(...tried.map((each) => each.plain))
  const found = refine(at, best, 0.25)
  if (found.rate < LEAST_RATE) return NO_NOISE
  const gain = Math.max(0, 2 * (found.likelihood - Math.max(plain, found.plain)))
  return { rate: found.rate, temperature: Math.exp(found.log), gain, flips }
}

/** Every so many rows of a large set. */
function sampleOf(labelled: LabelledProbabilities): LabelledProbabilities {
  const { probabilities, given } = labelled
  const { data, rows, columns } = probabilities
  const step = Math.ceil((rows * columns) / MAX_CELLS)
  if (step <= 1) return labelled
  const kept = Array.from({ length: Math.floor(rows / step) }, (_, i) => i * step)
  const taken = new Float32Array(kept.length * columns)
  for (const [to, row] of kept.entries()) {
    taken.set(data.subarray(row * columns, (row + 1) * columns), to * columns)
  }
  return {
    probabilities: { data: taken, rows: kept.length, columns },
    given: Int32Array.from(kept, (row) => given[row]!),
  }
}

/** Golden-section search of the best logarithm of the temperature around one. */
function refine<Found extends { readonly log: number; readonly likelihood: number }>(
  at: (log: number) => Found,
  start: Found,
  width: number,
): Found {
  let [low, high] = [start.log - width, start.log + width]
  let left = at(high - GOLDEN * (high - low))
  let right = at(low + GOLDEN * (high - low))
  for (let i = 2; i < REFINEMENTS; i++) {
    if (left.likelihood >= right.likelihood) {
      high = right.log
      right = left
      left = at(high - GOLDEN * (high - low))
    } else {
      low = left.log
      left = right
      right = at(low + GOLDEN * (high - low))
    }
  }
  return [left, right].reduce((a, b) => (b.likelihood > a.likelihood ? b : a), start)
}

/** For each row the probability of its given label, and of it where the true label is another. */
interface ComparedRows {
  readonly own: Float64Array
  readonly other: Float64Array
}

function compareLabels(
  { data, rows, columns }: Matrix,
  given: Int32Array,
  temperature: number,
  flips: Float64Array | null,
): ComparedRows {
  const own = new Float64Array(rows)
  const other = new Float64Array(rows)
  const row = new Float64Array(columns)
  for (let i = 0; i < rows; i++) {
    const from = i * columns
    const label = given[i]!
    let highest = -Infinity
    for (let c = 0; c < columns; c++) highest = Math.max(highest, data[from + c]!)
    let total = 0
    for (let c = 0; c < columns; c++) {
      const scaled = (data[from + c]! - highest) / temperature
      row[c] = scaled > -40 ? Math.exp(scaled) : 0
      total += row[c]!
    }
    own[i] = Math.exp((data[from + label]! - highest) / temperature) / total
    if (flips === null) other[i] = (1 - own[i]!) / (columns - 1)
    else {
      let sum = 0
      for (let c = 0; c < columns; c++) sum += row[c]! * flips[c * columns + label]!
      other[i] = sum / total
    }
  }
  return { own, other }
}

function logLikelihood({ own, other }: ComparedRows, rate: number): number {
  return own.reduce(
    (sum, p, row) => sum + Math.log(Math.max((1 - rate) * p + rate * other[row]!, LEAST)),
    0,
  )
}

/** The rate of the best likelihood, which is concave in it. */
function fitRate(rows: ComparedRows, labels: number) {
  const { own, other } = rows
  const slope = (rate: number): number =>
    own.reduce((sum, p, row) => {
      const step = other[row]! - p
      return sum + step / Math.max(p + rate * step, LEAST)
    }, 0)
  let [low, high] = [0, (labels - 1) / labels]
  if (slope(0) <= 0) return { rate: 0, likelihood: logLikelihood(rows, 0) }
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2
    if (slope(middle) > 0) low = middle
    else high = middle
  }
  return { rate: low, likelihood: logLikelihood(rows, low) }
}

/** Probability that each given label is wrong, shape [rows]. */
export function wrongProbabilities(
  { probabilities, given }: LabelledProbabilities,
  { rate, temperature, flips }: LabelNoise,
): Float64Array {
  const data = probabilities.data.map((p) => Math.log(Math.max(p, LEAST)))
  const { own, other } = compareLabels({ ...probabilities, data }, given, temperature, flips)
  return own.map((p, row) => {
    const wrong = rate * other[row]!
    const right = (1 - rate) * p
    return wrong + right === 0 ? 0 : wrong / (wrong + right)
  })
}

/** Probabilities of the true labels, where the given ones are noisy; shape [rows, labels]. */
export function sharpen({ data, rows, columns }: Matrix, temperature: number): Matrix {
  const out = new Float32Array(data.length)
  for (let from = 0; from < data.length; from += columns) {
    let highest = 0
    for (let i = from; i < from + columns; i++) highest = Math.max(highest, data[i]!)
    let total = 0
    for (let i = from; i < from + columns; i++) {
      out[i] = (Math.max(data[i]!, LEAST) / highest) ** (1 / temperature)
      total += out[i]!
    }
    for (let i = from; i < from + columns; i++) out[i] = out[i]! / total
  }
  return { data: out, rows, columns }
}
