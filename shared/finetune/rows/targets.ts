import type { NamedTensor } from '../../runtime/session.ts'
import type { LabelledTexts } from '../types.ts'

/** Rows of the targets, shape [rows, classes]. */
export function takeTargets({ targets, classes }: LabelledTexts, rows: Int32Array): NamedTensor {
  const data = new Float32Array(rows.length * classes)
  for (const [at, row] of rows.entries()) {
    data.set(targets.subarray(row * classes, (row + 1) * classes), at * classes)
  }
  return { data, dims: [rows.length, classes] }
}

/** The label of each row; of several the first, and `classes` for none. */
export function groupsOf({ texts, targets, classes }: LabelledTexts): Int32Array {
  return Int32Array.from(texts, (_, row) => {
    const at = targets.subarray(row * classes, (row + 1) * classes).indexOf(1)
    return at < 0 ? classes : at
  })
}

/**
 * Rows whose labels all come out right.
 * @param scores shape [rows, classes]
 * @param several whether a row may have any number of labels: those whose score is above 0
 */
export function countRight(scores: Float32Array, targets: NamedTensor, several: boolean): number {
  const [rows = 0, classes = 0] = targets.dims
  const wanted = targets.data as Float32Array
  let right = 0
  for (let row = 0; row < rows; row++) {
    const part = scores.subarray(row * classes, (row + 1) * classes)
    const truth = wanted.subarray(row * classes, (row + 1) * classes)
    const isRight = several
      ? part.every((score, c) => score > 0 === (truth[c] === 1))
      : truth[argmax(part)] === 1
    if (isRight) right++
  }
  return right
}

function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i
  }
  return best
}
