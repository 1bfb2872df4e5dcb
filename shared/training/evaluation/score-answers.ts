import { measureAnswers } from './answers.ts'
import type { IntervalMethod } from './intervals.ts'

const SEED = 42

/** Answers against the truth, whatever labels a head knows: an answer it cannot give counts as wrong. */
export interface AnswerScore {
  /** Shape [rows]: 1 where the answer is exactly the truth, for `compareHeads`. */
  readonly right: Uint8Array
  /** With 95 % intervals over the rows. */
  readonly quality: { readonly accuracy: Bounded; readonly macroF1: Bounded }
}

interface Bounded {
  readonly value: number
  readonly low: number
  readonly high: number
  readonly method: IntervalMethod
}

/** Scores sets of labels, one set a row, against the true ones. */
export function scoreAnswers(
  said: readonly (readonly string[])[],
  truth: readonly (readonly string[])[],
  { seed = SEED }: { readonly seed?: number } = {},
): AnswerScore {
  const places = new Map(
    [...new Set([...said.flat(), ...truth.flat()])].map((label, i) => [label, i]),
  )
  const toPlaces = (labels: readonly string[]) => [
    ...new Set(labels.map((label) => places.get(label)!)),
  ]
  const { right, accuracy, macroF1 } = measureAnswers(
    { said: said.map(toPlaces), truth: truth.map(toPlaces), labels: places.size },
    seed,
  )
  const bounded = ({ value, interval }: typeof accuracy): Bounded => ({
    value,
    ...(interval ?? { low: 0, high: 1, method: 'clopper-pearson' }),
  })
  return { right, quality: { accuracy: bounded(accuracy), macroF1: bounded(macroF1) } }
}
