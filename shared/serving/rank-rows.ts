import type { EncodedBatch } from '../encoder/types.ts'
import type { AnswerRules } from '../head/answer-rules.ts'
import type { HeadPlace } from '../head/columns.ts'
import type { Head } from '../head/head.ts'
import { computeProbabilities, type HeadInput, type Prediction, predict } from '../head/predict.ts'
import { EspalierError } from '../lib/errors.ts'
import type { TimeSlice } from '../lib/time-slice.ts'

/** Scores ranked in one step: well under a millisecond. */
const SCORES_PER_STEP = 1_024

/** Where a head finds its numbers in a batch. */
export interface HeadSlot {
  readonly head: Head
  /** The head's columns in the batch's scores. */
  readonly place: HeadPlace
  /** Columns of a row of scores. */
  readonly stride: number
  /** The head's memory in the projection; null where it has none. */
  readonly memory: number | null
}

/** How labels are ranked. */
export interface RankOptions extends AnswerRules {
  readonly topK: number
  /** Also give the probability of every label. */
  readonly probabilities?: boolean | undefined
}

/** Predictions of every input, and where asked for all probabilities, shape [inputs, labels]. */
export interface RankedRows {
  readonly predictions: readonly Prediction[]
  readonly probabilities: Float32Array | null
}

/** Ranks the labels of all inputs, some rows at a time so that nothing else has to wait for long. */
export async function rankRows(
  slot: HeadSlot,
  batch: Pick<EncodedBatch, 'scores' | 'neighbours' | 'tokens'>,
  options: RankOptions,
  slice: TimeSlice,
): Promise<RankedRows> {
  const { head } = slot
  const classes = head.labels.length
  const rows = batch.tokens.length
  const predictions: Prediction[] = []
  const probabilities = options.probabilities ? new Float32Array(rows * classes) : null
  const step = Math.max(1, Math.floor(SCORES_PER_STEP / classes))
  for (let from = 0; from < rows; from += step) {
    if (slice.shouldYield) await slice.next()
    const input = sliceRows(slot, batch, from, Math.min(step, rows - from))
    predictions.push(...predict(head, input, options))
    probabilities?.set(computeProbabilities(head, input), from * classes)
  }
  return { predictions, probabilities }
}

/** Some rows of a batch as the head reads them. */
function sliceRows(
  { place, stride, memory }: HeadSlot,
  { scores, neighbours }: Pick<EncodedBatch, 'scores' | 'neighbours'>,
  from: number,
  rows: number,
): HeadInput {
  if (!scores) throw new EspalierError('internal', 'the encoder answered without scores')
  const found = memory === null ? undefined : neighbours.get(memory)
  return {
    scores: scores.subarray(from * stride, (from + rows) * stride),
    rows,
    stride,
    place,
    neighbours: found && {
      similarities: found.similarities.subarray(from * found.k, (from + rows) * found.k),
      indices: found.indices.subarray(from * found.k, (from + rows) * found.k),
      k: found.k,
    },
  }
}
