import { createRandom } from '../../lib/maths/random.ts'
import { decide, labelsOfRows, tallyF1 } from '../evaluation/answers.ts'
import { fitTemperature } from '../evaluation/calibration.ts'
import { calibrationError, confidencesOf, reliabilityBins } from '../evaluation/metrics.ts'
import { shareCorrect, toProbabilities } from '../evaluation/probabilities.ts'
import { assignFolds, NEVER_HELD_OUT, sampleRows } from '../numerics/folds.ts'
import { oneHot, takeValues } from '../numerics/rows.ts'
import type { Alignment } from './coral.ts'
import type { Domain } from './domain.ts'
import { classCentres } from './easytl.ts'

const FOLDS = 5
/** Rows that the temperature is fitted on, and scores of theirs: 80 MB. */
const MAX_ROWS = 20_000
const MAX_SCORES = 20_000_000

/**
 * Cross-validates class centres on the source, in the aligned coordinates: the temperature that suits the
 * scores, and what they reach. Without a row that can be held out the temperature is the number of columns.
 */
export function scoreSource(options: {
  readonly source: Domain
  readonly targets: Int32Array
  readonly classes: number
  readonly alignment: Alignment
  readonly seed: number
}) {
  const { source, targets, classes, alignment, seed } = options
  const { data, columns } = source.standard
  const random = createRandom(seed)
  const most = Math.min(MAX_ROWS, Math.floor(MAX_SCORES / classes))
  const sample = sampleRows(targets, most, random)
  const folds = assignFolds(takeValues(targets, sample), FOLDS, random)
  const centres = classCentres(source, targets, classes)
  const counts = new Float64Array(classes)
  for (const target of targets) counts[target] = counts[target]! + 1
  const held: number[] = []
  const kept = folds.reduce((sum, fold) => sum + Number(fold !== NEVER_HELD_OUT), 0)
  const scores = new Float32Array(kept * classes)
  for (let fold = 0; fold < FOLDS; fold++) {
    const rows = [...sample.keys()].filter((at) => folds[at] === fold).map((at) => sample[at]!)
    if (rows.length === 0) continue
    const rest = withoutRows({ centres, counts, data, columns, targets }, rows)
    const aligned = alignment.apply(rest)
    // score = (z A)·h - |h|² / 2 = z·(h Aᵀ) - |h|² / 2: the rows stay as they are.
    const weights = alignment.applyTransposed(aligned)
    const halves = Array.from({ length: classes }, (_, c) => {
      const centre = aligned.subarray(c * columns, (c + 1) * columns)
      return centre.reduce((sum, value) => sum + value * value, 0) / 2
    })
    for (const row of rows) {
      const to = held.push(row) - 1
      for (let c = 0; c < classes; c++) {
        let sum = -halves[c]!
        for (let j = 0; j < columns; j++) {
          sum += data[row * columns + j]! * weights[c * columns + j]!
        }
        scores[to * classes + c] = sum
      }
    }
  }
  if (held.length === 0) return { temperature: columns, crossValidation: null }
  const matrix = { data: scores, rows: held.length, columns: classes }
  const truth = oneHot(takeValues(targets, Int32Array.from(held)), classes)
  const activation = 'softmax'
  const { temperature, nll } = fitTemperature({ scores: matrix, truth, activation }, 10)
  const probabilities = toProbabilities(matrix, temperature, activation)
  const { confidences, right } = confidencesOf(probabilities, truth, activation)
  const said = decide({ activation, thresholds: null }, probabilities)
  const { macro, micro } = tallyF1({
    said: labelsOfRows(said, classes),
    truth: held.map((row) => [targets[row]!]),
    labels: classes,
  })
  for (const row of held.keys()) macro.add(row, 1)
  return {
    temperature,
    crossValidation: {
      accuracy: shareCorrect(probabilities, truth),
      macroF1: macro.value(),
      microF1: micro(),
      nll,
      ece: calibrationError(reliabilityBins(confidences, right)),
      rows: held.length,
    },
  }
}

/** Class centres as they are without some rows; a class keeps its centre where it would have no row left. */
function withoutRows(
  all: {
    readonly centres: Float64Array
    readonly counts: Float64Array
    readonly data: ArrayLike<number>
    readonly columns: number
    readonly targets: Int32Array
  },
  rows: readonly number[],
): Float64Array {
  const { centres, counts, data, columns, targets } = all
  const left = counts.slice()
  for (const row of rows) left[targets[row]!] = left[targets[row]!]! - 1
  const out = centres.map((value, i) => {
    const c = Math.floor(i / columns)
    return left[c]! > 0 ? (value * counts[c]!) / left[c]! : value
  })
  for (const row of rows) {
    const c = targets[row]!
    if (left[c] === 0) continue
    for (let j = 0; j < columns; j++) {
      const at = c * columns + j
      out[at] = out[at]! - data[row * columns + j]! / left[c]!
    }
  }
  return out
}
