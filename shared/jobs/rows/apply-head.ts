import type { Head } from '../../head/head.ts'
import { type Prediction, type PredictOptions, predict } from '../../head/predict.ts'
import { createRowScorer } from '../../head/score-rows.ts'
import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'

/** Applies one head to any number of embeddings. */
export interface HeadRunner {
  /** Predictions for embeddings of shape [rows, dimension]. */
  run(embeddings: Float32Array, options?: PredictOptions): Promise<Prediction[]>
}

/** Rows of one step: bounds the scores in memory. */
const STEP_ROWS = 1024

/** Prepares a head for jobs and command lines; servers score inside the encoder's pass instead. */
export function createHeadRunner(head: Head, kernels: MatrixKernels): HeadRunner {
  const score = createRowScorer(head, kernels)
  return {
    async run(embeddings, options = {}) {
      const step = STEP_ROWS * head.dimension
      const predictions: Prediction[] = []
      for (let start = 0; start < embeddings.length; start += step) {
        const input = await score(embeddings.subarray(start, start + step))
        predictions.push(...predict(head, input, options))
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
