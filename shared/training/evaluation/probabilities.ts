import type { Activation } from '../../head/head.ts'
import type { Matrix } from '../../lib/maths/matrix-kernels.ts'

/** Logarithms are taken of at least this. */
const LEAST_PROBABILITY = 1e-12

/** activation(scores / temperature), shape [rows, classes]. */
export function toProbabilities(
  { data, rows, columns }: Matrix,
  temperature: number,
  activation: Activation,
): Matrix {
  const out = new Float32Array(data.length)
  for (let from = 0; from < data.length; from += columns) {
    if (activation === 'sigmoid') {
      for (let i = from; i < from + columns; i++)
        out[i] = 1 / (1 + Math.exp(-data[i]! / temperature))
      continue
    }
    let highest = Number.NEGATIVE_INFINITY
    for (let i = from; i < from + columns; i++) highest = Math.max(highest, data[i]!)
    let total = 0
    for (let i = from; i < from + columns; i++) {
      const e = Math.exp((data[i]! - highest) / temperature)
      out[i] = e
      total += e
    }
    for (let i = from; i < from + columns; i++) out[i] = out[i]! / total
  }
  return { data: out, rows, columns }
}

/** Index of the largest entry of a row; ties go to the lower one. */
export function largestOf({ data, columns }: Matrix, row: number): number {
  const from = row * columns
  let best = 0
  for (let c = 1; c < columns; c++) if (data[from + c]! > data[from + best]!) best = c
  return best
}

/**
 * Share of rows whose most probable class is true. With several labels a row this is the share of
 * single yes-or-no decisions at one half that are right.
 */
export function shareCorrect(
  probabilities: Matrix,
  truth: Matrix,
  activation: Activation = 'softmax',
): number {
  const { rows, columns, data } = probabilities
  if (rows === 0) return 0
  let right = 0
  if (activation === 'sigmoid') {
    for (let i = 0; i < data.length; i++) if (data[i]! >= 0.5 === truth.data[i]! > 0) right++
    return right / data.length
  }
  for (let row = 0; row < rows; row++) {
    if (truth.data[row * columns + largestOf(probabilities, row)]! > 0) right++
  }
  return right / rows
}

/** Mean negative log-likelihood per row; with sigmoids summed over the labels. */
export function likelihood(probabilities: Matrix, truth: Matrix, activation: Activation): number {
  const { rows, data } = probabilities
  if (rows === 0) return 0
  let sum = 0
  for (let i = 0; i < data.length; i++) {
    if (truth.data[i]! > 0) sum -= Math.log(Math.max(data[i]!, LEAST_PROBABILITY))
    else if (activation === 'sigmoid') sum -= Math.log(Math.max(1 - data[i]!, LEAST_PROBABILITY))
  }
  return sum / rows
}

/** Negative log-likelihood of each row, shape [rows]; with sigmoids summed over the labels. */
export function rowLikelihoods(
  { rows, columns, data }: Matrix,
  truth: Matrix,
  activation: Activation,
): Float64Array {
  const losses = new Float64Array(rows)
  for (let i = 0; i < data.length; i++) {
    const isTrue = truth.data[i]! > 0
    if (!isTrue && activation !== 'sigmoid') continue
    const likely = isTrue ? data[i]! : 1 - data[i]!
    const row = Math.floor(i / columns)
    losses[row] = losses[row]! - Math.log(Math.max(likely, LEAST_PROBABILITY))
  }
  return losses
}

/** Probabilities of exclusive labels times exp(adjustment), each row in sum 1, as a head with an adjustment answers. */
export function adjustPriors(
  { data, rows, columns }: Matrix,
  adjustment: Float32Array | null,
): Matrix {
  if (adjustment === null) return { data, rows, columns }
  const out = new Float32Array(data.length)
  const shares = adjustment.map(Math.exp)
  for (let from = 0; from < data.length; from += columns) {
    let total = 0
    for (let c = 0; c < columns; c++) total += data[from + c]! * shares[c]!
    for (let c = 0; c < columns; c++) out[from + c] = (data[from + c]! * shares[c]!) / total
  }
  return { data: out, rows, columns }
}
