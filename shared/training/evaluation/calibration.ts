import type { Matrix } from '../../lib/maths/matrix-kernels.ts'

/** With fewer positive rows the best threshold is a matter of luck: one half stays. */
const FEWEST_POSITIVES = 10
const DEFAULT_THRESHOLD = 0.5

const SMALLEST_TEMPERATURE = 0.01
const LARGEST_TEMPERATURE = 100
const MAX_NEWTON_STEPS = 30

/** Held-out scores with what is true. */
export interface HeldOut {
  /** Shape [rows, classes]. */
  readonly scores: Matrix
  /** Shape [rows, classes]: 0 or 1. */
  readonly truth: Matrix
  readonly activation: 'softmax' | 'sigmoid'
  /** Shape [classes]: added to the scores after the temperature, with softmax. */
  readonly offset?: Float64Array | undefined
}

export interface TemperatureFit {
  readonly temperature: number
  /** Mean negative log-likelihood at that temperature; summed over labels for sigmoids. */
  readonly nll: number
}

/**
 * The temperature that minimises the negative log-likelihood of p = activation(score / T + offset) (Guo et al. 2017).
 * The likelihood is convex in 1 / T, so Newton steps on it find what a search would, in a few passes.
 */
export function fitTemperature(heldOut: HeldOut, start = 1): TemperatureFit {
  let inverse = 1 / start
  let at = differentiate(heldOut, inverse)
  for (let i = 0; i < MAX_NEWTON_STEPS && at.bend > 0; i++) {
    const target = clampInverse(inverse - at.slope / at.bend)
    // One step changes the temperature by a factor of at most four: far from the minimum the bend misleads.
    let next = Math.min(Math.max(target, inverse / 4), inverse * 4)
    let trial = differentiate(heldOut, next)
    while (trial.nll > at.nll && Math.abs(next - inverse) > 1e-6 * inverse) {
      next = (next + inverse) / 2
      trial = differentiate(heldOut, next)
    }
    if (trial.nll > at.nll) break
    const moved = Math.abs(next - inverse) / inverse
    inverse = next
    at = trial
    if (moved < 1e-4) break
  }
  return { temperature: 1 / inverse, nll: at.nll }
}

function clampInverse(inverse: number): number {
  return Math.min(Math.max(inverse, 1 / LARGEST_TEMPERATURE), 1 / SMALLEST_TEMPERATURE)
}

function differentiate({ scores, truth, activation, offset }: HeldOut, inverse: number) {
  const { data, rows, columns } = scores
  let nll = 0
  let slope = 0
  let bend = 0
  for (let i = 0; i < rows; i++) {
    const from = i * columns
    if (activation === 'sigmoid') {
      for (let c = from; c < from + columns; c++) {
        const z = data[c]!
        const p = 1 / (1 + Math.exp(-inverse * z))
        const scaled = inverse * z
        nll +=
          Math.max(scaled, 0) + Math.log1p(Math.exp(-Math.abs(scaled))) - truth.data[c]! * scaled
        slope += (p - truth.data[c]!) * z
        bend += p * (1 - p) * z * z
      }
      continue
    }
    let highest = -Infinity
    for (let c = from; c < from + columns; c++) highest = Math.max(highest, data[c]!)
    let total = 0
    let first = 0
    let second = 0
    let actual = 0
    for (let c = from; c < from + columns; c++) {
      const z = data[c]! - highest
      const added = offset === undefined ? 0 : offset[c - from]!
      const scaled = inverse * z + added
      if (truth.data[c]! > 0) {
        actual = z
        nll -= added
      }
      if (scaled < -40) continue
      const e = Math.exp(scaled)
      total += e
      first += e * z
      second += e * z * z
    }
    const mean = first / total
    nll += Math.log(total) - inverse * actual
    slope += mean - actual
    bend += second / total - mean * mean
  }
  return { nll: nll / rows, slope, bend }
}

/** Per label the threshold of best F1 on held-out rows, halfway between the two probabilities it separates. */
export function chooseThresholds(probabilities: Matrix, truth: Matrix): Float32Array {
  const { rows, columns, data } = probabilities
  return Float32Array.from({ length: columns }, (_, label) => {
    const order = Array.from({ length: rows }, (_, row) => row * columns + label).sort(
      (a, b) => data[b]! - data[a]! || a - b,
    )
    const positives = order.reduce((sum, at) => sum + truth.data[at]!, 0)
    if (positives < FEWEST_POSITIVES) return DEFAULT_THRESHOLD
    let hits = 0
    let best = { f1: 0, threshold: DEFAULT_THRESHOLD }
    order.forEach((at, i) => {
      hits += truth.data[at]!
      const next = i + 1 < rows ? data[order[i + 1]!]! : 0
      // A threshold cannot part equal probabilities.
      if (next === data[at]!) return
      const f1 = (2 * hits) / (i + 1 + positives)
      if (f1 > best.f1) best = { f1, threshold: (data[at]! + next) / 2 }
    })
    return best.threshold
  })
}
