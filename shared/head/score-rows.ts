import type { Matrix, MatrixKernels } from '../lib/maths/matrix-kernels.ts'
import { measureDistances, stackHeads } from './columns.ts'
import type { Head } from './head.ts'
import { memoryRows } from './neighbours.ts'
import type { HeadInput } from './predict.ts'

/** Scores embeddings of shape [rows, dimension] with one head, as a server would. */
export type RowScorer = (embeddings: Float32Array) => Promise<HeadInput>

/** Prepares a head for jobs and command lines; servers score inside the encoder's pass instead. */
export function createRowScorer(head: Head, kernels: MatrixKernels): RowScorer {
  const { dimension, memory } = head
  const stack = stackHeads([head])
  const { weights, bias, columns, places } = stack
  const width = bias.length
  // ONNX Runtime takes no shared memory.
  const affine: Matrix = { data: weights.slice(), rows: width, columns: dimension }
  const keys: Matrix | null = memory && {
    data: memoryRows(memory),
    rows: memory.scales.length,
    columns: dimension,
  }
  return async (embeddings) => {
    const rows = { data: embeddings, rows: embeddings.length / dimension, columns: dimension }
    const { data } = await kernels.multiply(rows, affine, { transposeB: true })
    for (let i = 0; i < data.length; i++) data[i] = data[i]! + bias[i % width]!
    const neighbours = memory && keys ? await kernels.nearest(rows, keys, memory.k) : undefined
    const scores = measureDistances(stack, data)
    return { scores, rows: rows.rows, stride: columns, place: places[0]!, neighbours }
  }
}
