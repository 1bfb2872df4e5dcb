import { detectorRank, type Head } from './head.ts'

/** Affine columns: scores = embedding · weights + bias. */
export interface AffineColumns {
  readonly columns: number
  /** Shape [dimension, columns], row-major. */
  readonly weights: Float32Array
  /** Shape [columns]. */
  readonly bias: Float32Array
}

/** Several heads side by side; head i owns the columns from `offsets[i]`. */
export interface StackedColumns extends AffineColumns {
  readonly offsets: readonly number[]
}

/** The columns of one head: a score per label, then the detector's coordinates. */
export function headColumns(head: Head): AffineColumns {
  return stackHeads([head])
}

/** Puts the columns of all heads into one matrix, so that one product serves them all. */
export function stackHeads(heads: readonly Head[]): StackedColumns {
  const offsets: number[] = []
  let columns = 0
  for (const head of heads) {
    offsets.push(columns)
    columns += head.labels.length + detectorRank(head)
  }
  const dimension = heads[0]?.dimension ?? 0
  const weights = new Float32Array(dimension * columns)
  const bias = new Float32Array(columns)
  heads.forEach((head, index) => {
    const start = offsets[index]!
    const place = (source: Float32Array, rows: number, first: number): void => {
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < dimension; i++) {
          weights[i * columns + first + row] = source[row * dimension + i]!
        }
      }
    }
    place(head.weights, head.labels.length, start)
    bias.set(head.bias, start)
    if (!head.detector) return
    const first = start + head.labels.length
    place(head.detector.projection, detectorRank(head), first)
    bias.set(head.detector.offset, first)
  })
  return { columns, weights, bias, offsets }
}
