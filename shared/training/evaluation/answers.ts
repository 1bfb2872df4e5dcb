import type { Head } from '../../head/head.ts'
import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { bootstrapInterval, type Tally } from './bca.ts'
import { type Interval, intervalOfRight } from './intervals.ts'
import { predictedClasses } from './metrics.ts'

/** Labels of each row as numbers from 0, those said and those true; no number twice in a row. */
export interface Answers {
  readonly said: readonly (readonly number[])[]
  readonly truth: readonly (readonly number[])[]
  readonly labels: number
}

/** A figure with its 95 % interval; null of no rows. */
export interface Estimate {
  readonly value: number
  readonly interval: Interval | null
}

/** What is told of answers, each figure by the same rows. */
export interface AnswerFigures {
  /** Shape [rows]: 1 where the whole answer is right, for `compareHeads`. */
  readonly right: Uint8Array
  /** Share of rows whose whole answer is right. */
  readonly accuracy: Estimate
  /** Mean F1 over the labels that occur or are said. */
  readonly macroF1: Estimate
  /** F1 over all labels together. */
  readonly microF1: number
}

/** Measures answers; the seed is that of the bootstrap. */
export function measureAnswers(answers: Answers, seed: number): AnswerFigures {
  const { said, truth } = answers
  const rows = truth.length
  const right = Uint8Array.from(truth, (actual, row) => Number(sameSet(said[row]!, actual)))
  const exact = rows === 0 ? null : intervalOfRight(right)
  const { macro, micro } = tallyF1(answers)
  const macroInterval = bootstrapInterval(rows, macro, seed)
  macro.clear()
  for (let row = 0; row < rows; row++) macro.add(row, 1)
  return {
    right,
    accuracy: { value: shareOf(right), interval: exact },
    // Where no draw differs, as where every answer is right, the rows say of F1 what they say of the answers.
    macroF1: { value: macro.value(), interval: macroInterval ?? exact },
    microF1: micro(),
  }
}

/** Share of ones; 0 of nothing. */
export function shareOf(right: Uint8Array): number {
  return right.length === 0 ? 0 : right.reduce((sum, one) => sum + one, 0) / right.length
}

/** True for the same labels in any order. */
export function sameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((label) => b.includes(label))
}

/** Macro-F1 as rows are counted in, and the F1 of all labels together of those rows. */
export function tallyF1({ said, truth, labels }: Answers): {
  readonly macro: Tally
  readonly micro: () => number
} {
  const both = new Float64Array(labels)
  const either = new Float64Array(labels)
  const macro: Tally = {
    clear() {
      both.fill(0)
      either.fill(0)
    },
    add(row, times) {
      const actual = truth[row]!
      for (const label of said[row]!) {
        either[label] = either[label]! + times
        if (actual.includes(label)) both[label] = both[label]! + times
      }
      for (const label of actual) either[label] = either[label]! + times
    },
    value() {
      let sum = 0
      let counted = 0
      for (let label = 0; label < labels; label++) {
        if (either[label]! === 0) continue
        sum += (2 * both[label]!) / either[label]!
        counted++
      }
      return counted === 0 ? 0 : sum / counted
    },
  }
  const micro = (): number => {
    const all = either.reduce((sum, count) => sum + count, 0)
    return all === 0 ? 0 : (2 * both.reduce((sum, count) => sum + count, 0)) / all
  }
  return { macro, micro }
}

/** The labels of each row from ones and zeros of shape [rows, columns]. */
export function labelsOfRows(has: Uint8Array, columns: number): number[][] {
  const labels = Array.from({ length: has.length / columns }, (): number[] => [])
  has.forEach((one, i) => {
    if (one === 1) labels[Math.floor(i / columns)]!.push(i % columns)
  })
  return labels
}

/** What the head answers as 0 or 1 per label: the best one, or all that reach their threshold. */
export function decide(
  head: Pick<Head, 'activation' | 'thresholds'>,
  probabilities: Matrix,
): Uint8Array {
  const { data, columns } = probabilities
  if (head.activation === 'sigmoid') {
    return Uint8Array.from(data, (p, i) => Number(p >= (head.thresholds?.[i % columns] ?? 0.5)))
  }
  const said = new Uint8Array(data.length)
  predictedClasses(probabilities).forEach((best, row) => {
    said[row * columns + best] = 1
  })
  return said
}
