import { countElements } from '../../lib/maths/count-elements.ts'
import type { NamedTensor } from '../../runtime/session.ts'
import type { BatchStart } from '../graph/types.ts'
import type { TokenRows } from '../text/token-rows.ts'
import { widthOf } from './batches.ts'

/** Rows as a graph takes them, padded after their end. */
export interface RowSource {
  /** Tokens of each row; 1 for finished embeddings. */
  readonly lengths: Int32Array
  /** Inputs of a batch, by the graph's names. */
  feed(rows: Int32Array, start: BatchStart): Record<string, NamedTensor>
}

/** Rows of numbers that a frozen part of the encoder computed once. */
export interface StateRows {
  /** One after another: [tokens of all rows, width], or [rows, width] for embeddings. */
  readonly values: Float32Array
  /** First token of each row, shape [rows + 1]. */
  readonly offsets: Float64Array
  readonly lengths: Int32Array
  readonly width: number
}

/** Rows that enter at token ids. */
export function createTokenSource(rows: TokenRows, padId: number): RowSource {
  return {
    lengths: rows.lengths,
    feed(batch, start) {
      if (start.kind !== 'ids') throw new RangeError(`tokens do not enter at ${start.kind}`)
      const dims = [batch.length, widthOf(rows.lengths, batch)]
      const ids = new Int32Array(batch.length * (dims[1] as number)).fill(padId)
      for (const [at, row] of batch.entries()) {
        const from = rows.offsets[row] as number
        ids.set(rows.ids.subarray(from, rows.offsets[row + 1]), at * (dims[1] as number))
      }
      return { [start.ids]: { data: ids, dims }, [start.mask]: maskOf(rows.lengths, batch, dims) }
    },
  }
}

/** Rows that enter at cached states or embeddings. */
export function createStateSource(rows: StateRows): RowSource {
  const { values, offsets, lengths, width } = rows
  return {
    lengths,
    feed(batch, start) {
      if (start.kind === 'ids' || start.kind === 'features') {
        throw new RangeError(`cached states do not enter at ${start.kind}`)
      }
      const tokens = widthOf(lengths, batch)
      const data = new Float32Array(batch.length * tokens * width)
      for (const [at, row] of batch.entries()) {
        const from = (offsets[row] as number) * width
        const part = values.subarray(from, (offsets[row + 1] as number) * width)
        data.set(part, at * tokens * width)
      }
      if (start.kind === 'embeddings') {
        return { [start.embeddings]: { data, dims: [batch.length, width] } }
      }
      return {
        [start.states]: { data, dims: [batch.length, tokens, width] },
        [start.mask]: maskOf(lengths, batch, [batch.length, tokens]),
      }
    },
  }
}

/** Rows that enter at features of one shape, or at embeddings, one after another in `values`. */
export function createFeatureSource(values: Float32Array, shape: readonly number[]): RowSource {
  const width = countElements(shape)
  return {
    lengths: new Int32Array(values.length / width).fill(1),
    feed(batch, start) {
      if (start.kind === 'ids' || start.kind === 'states') {
        throw new RangeError(`features do not enter at ${start.kind}`)
      }
      const data = new Float32Array(batch.length * width)
      for (const [at, row] of batch.entries()) {
        data.set(values.subarray(row * width, (row + 1) * width), at * width)
      }
      const name = start.kind === 'features' ? start.features : start.embeddings
      return { [name]: { data, dims: [batch.length, ...shape] } }
    },
  }
}

function maskOf(lengths: Int32Array, rows: Int32Array, dims: readonly number[]): NamedTensor {
  const width = dims[1] as number
  const data = new Float32Array(rows.length * width)
  for (const [at, row] of rows.entries()) {
    data.fill(1, at * width, at * width + (lengths[row] as number))
  }
  return { data, dims }
}
