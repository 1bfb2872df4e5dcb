import { createRandom } from '../../lib/maths/random.ts'
import { mean } from './metrics.ts'

const SAMPLES = 1000

/** Answers against the truth, whatever labels a head knows: an answer it cannot give counts as wrong. */
export interface AnswerScore {
  /** Shape [rows]: 1 where the answer is exactly the truth, for `compareHeads`. */
  readonly right: Uint8Array
  /** With 95 % bootstrap intervals over the rows (percentiles). */
  readonly quality: { readonly accuracy: Interval; readonly macroF1: Interval }
}

interface Interval {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** Scores sets of labels, one set a row, against the true ones. */
export function scoreAnswers(
  said: readonly (readonly string[])[],
  truth: readonly (readonly string[])[],
  options: { readonly seed?: number; readonly samples?: number } = {},
): AnswerScore {
  const rows = truth.length
  const places = new Map(
    [...new Set([...said.flat(), ...truth.flat()])].map((label, i) => [label, i]),
  )
  const toPlaces = (labels: readonly string[]) => [
    ...new Set(labels.map((label) => places.get(label)!)),
  ]
  const answers = said.map(toPlaces)
  const actual = truth.map(toPlaces)
  const right = Uint8Array.from({ length: rows }, (_, row) => {
    const [a, b] = [answers[row]!, actual[row]!]
    return Number(a.length === b.length && a.every((label) => b.includes(label)))
  })
  const measure = (pick: (at: number) => number) => {
    let correct = 0
    const counts = Array.from(places, () => ({ both: 0, said: 0, support: 0 }))
    for (let at = 0; at < rows; at++) {
      const row = pick(at)
      correct += right[row]!
      for (const label of answers[row]!) {
        counts[label]!.said++
        if (actual[row]!.includes(label)) counts[label]!.both++
      }
      for (const label of actual[row]!) counts[label]!.support++
    }
    const counted = counts.filter((each) => each.said + each.support > 0)
    const f1 = counted.map((each) => (2 * each.both) / (each.said + each.support))
    return { accuracy: correct / rows, macroF1: mean(f1) }
  }
  const value = measure((at) => at)
  const random = createRandom(options.seed ?? 42)
  const { samples = SAMPLES } = options
  const drawn = Array.from({ length: samples }, () => measure(() => random.below(rows)))
  const interval = (key: 'accuracy' | 'macroF1'): Interval => {
    const sorted = Float64Array.from(drawn, (each) => each[key]).sort()
    return {
      value: value[key],
      low: sorted[Math.floor(0.025 * samples)]!,
      high: sorted[Math.min(samples - 1, Math.ceil(0.975 * samples) - 1)]!,
    }
  }
  return { right, quality: { accuracy: interval('accuracy'), macroF1: interval('macroF1') } }
}
