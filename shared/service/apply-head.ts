import { headColumns } from '../head/columns.ts'
import type { Head } from '../head/head.ts'
import { memoryRows } from '../head/neighbours.ts'
import { type Prediction, type PredictOptions, predict } from '../head/predict.ts'
import type { Matrix, MatrixKernels } from '../lib/matrix-kernels.ts'

/** Applies one head to any number of embeddings. */
export interface HeadRunner {
  /** Predictions for embeddings of shape [rows, dimension]. */
  run(embeddings: Float32Array, options?: PredictOptions): Promise<Prediction[]>
}

/** Rows of one step: bounds the scores in memory. */
const STEP_ROWS = 1024

/** Prepares a head for jobs and command lines; servers score inside the encoder's pass instead. */
export function createHeadRunner(head: Head, kernels: MatrixKernels): HeadRunner {
  const { columns, weights, bias } = headColumns(head)
  const affine: Matrix = { data: weights, rows: head.dimension, columns }
  const { memory } = head
  const keys: Matrix | null = memory && {
    data: memoryRows(memory),
    rows: memory.scales.length,
    columns: head.dimension,
  }

  async function runStep(rows: Matrix, options: PredictOptions): Promise<Prediction[]> {
    const scores = (await kernels.multiply(rows, affine)).data
    for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! + bias[i % columns]!
    const neighbours = memory && keys ? await kernels.nearest(rows, keys, memory.k) : undefined
    const input = { scores, rows: rows.rows, stride: columns, offset: 0, neighbours }
    return predict(head, input, options)
  }

  return {
    async run(embeddings, options = {}) {
      const width = head.dimension
      const total = embeddings.length / width
      const predictions: Prediction[] = []
      for (let start = 0; start < total; start += STEP_ROWS) {
        const rows = Math.min(STEP_ROWS, total - start)
        const data = embeddings.subarray(start * width, (start + rows) * width)
        predictions.push(...(await runStep({ data, rows, columns: width }, options)))
      }
      return predictions
    },
  }
}

/** 1 where a prediction has exactly the labels that the row has, shape [rows]. */
export function markCorrect(
  head: Pick<Head, 'activation'>,
  predictions: readonly Prediction[],
  truth: readonly { readonly labels: readonly string[] }[],
): Uint8Array {
  return Uint8Array.from(predictions, (prediction, row) => {
    const { labels } = truth[row]!
    if (head.activation === 'softmax') {
      return Number(labels.length === 1 && prediction.label === labels[0])
    }
    const held = prediction.labels.map(({ label }) => label)
    return Number(held.length === labels.length && held.every((label) => labels.includes(label)))
  })
}
