import { setImmediate } from 'node:timers/promises'
import type { ClassPrediction } from '../../../shared/contract/classify.ts'
import { FloatJsonWriter } from '../../../shared/lib/json/float-json.ts'
import type { ClassifierAnswer, ClassifyResult } from '../../../shared/serving/classify.ts'

/** Labels and numbers written before other requests get a turn: about two milliseconds of work. */
const ITEMS_PER_TURN = 4_096
/** The fewest digits that bring back every float32. */
const DIGITS = 9

/** Writes the native answer to a classification; embeddings are those of its only encoder. */
export function classificationsToJson(
  { passes, answers }: ClassifyResult,
  withEmbeddings: boolean,
  usage: object,
): Promise<Buffer<ArrayBuffer>> {
  const { vectors, dimension, tokens } = passes[0].batch
  const listed = answers.reduce(
    (sum, { predictions: [first] }) =>
      sum + (first ? first.labels.length + (first.set?.labels.length ?? 0) : 0),
    0,
  )
  const items = listed + 4 * answers.length + (withEmbeddings ? dimension / 8 : 0)
  const tail = `],"usage":${JSON.stringify(usage)}}`
  return writeItems('{"object":"list","data":[', tail, tokens.length, items, (writer, index) => {
    const predictions = answers.map((answer) => describePrediction(answer, index))
    writer.text(`{"index":${index},"predictions":${JSON.stringify(predictions)}`)
    if (withEmbeddings) {
      writer.text(',"embedding":')
      writer.floats(vectors.subarray(index * dimension, (index + 1) * dimension))
    }
    writer.text('}')
  })
}

function describePrediction(
  { model, predictions }: ClassifierAnswer,
  row: number,
): ClassPrediction {
  const { label, score, labels, inDistribution, oodScore, abstained, set } = predictions[row]!
  return {
    model,
    label,
    score: roundScore(score),
    labels: toScores(labels),
    in_distribution: inDistribution,
    ood_score: oodScore === null ? null : roundScore(oodScore),
    ...(abstained !== undefined && { abstained }),
    ...(set && {
      prediction_set: {
        labels: toScores(set.labels),
        coverage: set.coverage,
        by_label: set.byLabel,
        too_few_rows: set.tooFewRows,
      },
    }),
  }
}

function toScores(labels: ClassifierAnswer['predictions'][number]['labels']) {
  return labels.map((entry) => ({ label: entry.label, score: roundScore(entry.score) }))
}

/** A float32 without the digits that it does not have. */
export function roundScore(score: number): number {
  return Number(score.toPrecision(DIGITS))
}

/**
 * Writes a list of items between `head` and `tail`, pausing now and then.
 * @param weight labels and numbers of one item
 */
export async function writeItems(
  head: string,
  tail: string,
  count: number,
  weight: number,
  writeItem: (writer: FloatJsonWriter, index: number) => void,
): Promise<Buffer<ArrayBuffer>> {
  const perTurn = Math.max(1, Math.floor(ITEMS_PER_TURN / Math.max(1, weight)))
  const writer = new FloatJsonWriter()
  const parts: Buffer<ArrayBuffer>[] = []
  writer.text(head)
  for (let index = 0; index < count; index++) {
    if (index > 0) writer.text(',')
    writeItem(writer, index)
    if ((index + 1) % perTurn !== 0) continue
    parts.push(writer.take())
    await setImmediate()
  }
  writer.text(tail)
  parts.push(writer.take())
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
