import { createRandom } from '../../lib/maths/random.ts'
import type { NamedTensor } from '../../runtime/session.ts'
import { sampleRows } from '../../training/numerics/folds.ts'
import type { BatchInputs, BatchStart } from '../graph/types.ts'
import type { LabelledTexts } from '../types.ts'
import type { TrainingBatch } from './pairs.ts'

/** Most rows that embeddings without a head are compared with and evaluated on: pairs grow with the square. */
const MAX_NEIGHBOUR_ROWS = 1000

/** Rows as a graph takes them, padded after their end. */
export interface RowSource {
  /** Tokens of each row; 1 for finished embeddings. */
  readonly lengths: Int32Array
  /** Inputs of a batch, by the graph's names. */
  feed(rows: Int32Array, start: BatchStart): Record<string, NamedTensor>
}

/** Rows with their labels, as a graph takes them. */
export interface LabelledRows {
  readonly source: RowSource
  readonly rows: LabelledTexts
}

/** Some of the rows, in the order given. */
export function selectRows({ source, rows }: LabelledRows, selected: Int32Array): LabelledRows {
  return {
    source: {
      lengths: Int32Array.from(selected, (row) => source.lengths[row] as number),
      feed: (batch, start) =>
        source.feed(
          batch.map((at) => selected[at] as number),
          start,
        ),
    },
    rows: {
      texts: Array.from(selected, (row) => rows.texts[row] as string),
      targets: takeTargets(rows, selected).data as Float32Array,
      classes: rows.classes,
      together: rows.together && selected.map((row) => rows.together![row]!),
    },
  }
}

/** At most so many rows, every label among them. */
export function sampleLabelled(labelled: LabelledRows, seed: number): LabelledRows {
  const rows = sampleRows(groupsOf(labelled.rows), MAX_NEIGHBOUR_ROWS, createRandom(seed))
  return rows.length === labelled.rows.texts.length ? labelled : selectRows(labelled, rows)
}

/** What the loss compares with: the rows' labels, or the wanted cosines of their pairs. */
export function targetsOf(
  batch: BatchInputs,
  rows: LabelledTexts,
  taken: TrainingBatch,
): Record<string, NamedTensor> {
  const { pairWeights, targets } = batch
  if (pairWeights === null) return { [targets]: takeTargets(rows, taken.rows) }
  const dims = [taken.rows.length, taken.rows.length]
  const empty = new Float32Array(taken.rows.length ** 2)
  return {
    [targets]: { data: taken.targets ?? empty, dims },
    [pairWeights]: { data: taken.weights ?? empty, dims },
  }
}

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
