import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { decide, labelsOfRows, sameSet, tallyF1 } from '../evaluation/answers.ts'
import { chooseThresholds } from '../evaluation/calibration.ts'
import { takeRows } from '../numerics/rows.ts'
import type { Problem } from './problem.ts'

/** What held-out probabilities come to, counted as on test rows. */
export interface OutOfFoldFigures {
  /** Share of rows whose whole answer is right. */
  readonly accuracy: number
  readonly macroF1: number
  /** F1 over all labels together. */
  readonly microF1: number
}

/** Figures of the held-out rows; with several labels a row, thresholds come from the rows of the other folds. */
export function figuresOutOfFold(problem: Problem, probabilities: Matrix): OutOfFoldFigures {
  const { columns } = probabilities
  const said = labelsOfRows(decideOutOfFold(problem, probabilities), columns)
  const truth = labelsOfRows(Uint8Array.from(problem.truth.data), columns)
  const { macro, micro } = tallyF1({ said, truth, labels: columns })
  let right = 0
  for (const [row, actual] of truth.entries()) {
    macro.add(row, 1)
    if (sameSet(said[row]!, actual)) right++
  }
  return {
    accuracy: truth.length === 0 ? 0 : right / truth.length,
    macroF1: macro.value(),
    microF1: micro(),
  }
}

function decideOutOfFold(problem: Problem, probabilities: Matrix): Uint8Array {
  const { activation, folds, truth } = problem
  if (activation === 'softmax') return decide({ activation, thresholds: null }, probabilities)
  const { rows, columns } = probabilities
  const said = new Uint8Array(rows * columns)
  for (const { offset, test } of folds) {
    const own = Int32Array.from(test, (_, i) => offset + i)
    const others = Int32Array.from({ length: rows - own.length }, (_, i) =>
      i < offset ? i : i + own.length,
    )
    const thresholds = chooseThresholds(takeRows(probabilities, others), takeRows(truth, others))
    said.set(decide({ activation, thresholds }, takeRows(probabilities, own)), offset * columns)
  }
  return said
}
