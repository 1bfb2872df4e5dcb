import type { Activation } from '../../head/head.ts'
import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { largestOf } from './probabilities.ts'

/** Equal-width confidence bins of the calibration error. */
export const RELIABILITY_BINS = 15

export interface ClassMetrics {
  readonly label: string
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** Rows that truly have the label. */
  readonly support: number
}

export interface ReliabilityBin {
  /** Confidences in (from, to]. */
  readonly from: number
  readonly to: number
  readonly rows: number
  /** Mean confidence and share of right answers; 0 where the bin is empty. */
  readonly confidence: number
  readonly accuracy: number
}

export interface Confusion {
  readonly actual: string
  readonly predicted: string
  readonly rows: number
}

/** Index of the most probable class per row. */
export function predictedClasses(probabilities: Matrix): Int32Array {
  return Int32Array.from({ length: probabilities.rows }, (_, row) => largestOf(probabilities, row))
}

/** Precision, recall and F1 per label; a ratio without any case is 0. `has` arrays have shape [rows, labels]. */
export function classMetrics(
  labels: readonly string[],
  predicted: Uint8Array,
  actual: Uint8Array,
): ClassMetrics[] {
  const width = labels.length
  return labels.map((label, c) => {
    let both = 0
    let said = 0
    let support = 0
    for (let i = c; i < predicted.length; i += width) {
      said += predicted[i]!
      support += actual[i]!
      both += predicted[i]! & actual[i]!
    }
    const precision = said > 0 ? both / said : 0
    const recall = support > 0 ? both / support : 0
    const f1 = said + support > 0 ? (2 * both) / (said + support) : 0
    return { label, precision, recall, f1, support }
  })
}

/** Wrong answers by pair, most frequent first, then in the order of the labels. */
export function confusionPairs(
  labels: readonly string[],
  predicted: Int32Array,
  actual: Int32Array,
): Confusion[] {
  const counts = new Map<number, number>()
  predicted.forEach((guess, row) => {
    if (guess === actual[row]) return
    const key = actual[row]! * labels.length + guess
    counts.set(key, (counts.get(key) ?? 0) + 1)
  })
  return [...counts]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .map(([key, rows]) => ({
      actual: labels[Math.floor(key / labels.length)]!,
      predicted: labels[key % labels.length]!,
      rows,
    }))
}

/** The bin of a confidence. */
export function binOf(confidence: number): number {
  const bin = Math.ceil(confidence * RELIABILITY_BINS) - 1
  return Math.min(Math.max(bin, 0), RELIABILITY_BINS - 1)
}

/** Confidence against truth in equal-width bins of (0, 1]. */
export function reliabilityBins(confidences: Float64Array, right: Uint8Array): ReliabilityBin[] {
  const rows = new Float64Array(RELIABILITY_BINS)
  const sums = new Float64Array(RELIABILITY_BINS)
  const hits = new Float64Array(RELIABILITY_BINS)
  confidences.forEach((confidence, i) => {
    const bin = binOf(confidence)
    rows[bin] = rows[bin]! + 1
    sums[bin] = sums[bin]! + confidence
    hits[bin] = hits[bin]! + right[i]!
  })
  return Array.from(rows, (count, bin) => ({
    from: bin / RELIABILITY_BINS,
    to: (bin + 1) / RELIABILITY_BINS,
    rows: count,
    confidence: count > 0 ? sums[bin]! / count : 0,
    accuracy: count > 0 ? hits[bin]! / count : 0,
  }))
}

/** Expected calibration error: mean distance of confidence and accuracy, weighted by rows (Naeini et al. 2015). */
export function calibrationError(bins: readonly ReliabilityBin[]): number {
  const total = bins.reduce((sum, bin) => sum + bin.rows, 0)
  if (total === 0) return 0
  return bins.reduce(
    (sum, bin) => sum + (bin.rows / total) * Math.abs(bin.accuracy - bin.confidence),
    0,
  )
}

/**
 * How sure the answers are and whether they are right: the best label of each row, or every yes-or-no
 * decision at one half where labels are independent.
 */
export function confidencesOf(probabilities: Matrix, truth: Matrix, activation: Activation) {
  const { rows, columns, data } = probabilities
  if (activation === 'sigmoid') {
    return {
      confidences: Float64Array.from(data, (p) => Math.max(p, 1 - p)),
      right: Uint8Array.from(data, (p, i) => Number(p >= 0.5 === truth.data[i]! > 0)),
    }
  }
  const best = predictedClasses(probabilities)
  return {
    confidences: Float64Array.from({ length: rows }, (_, row) => data[row * columns + best[row]!]!),
    right: Uint8Array.from({ length: rows }, (_, row) => truth.data[row * columns + best[row]!]!),
  }
}

/** Arithmetic mean; 0 of nothing. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}
