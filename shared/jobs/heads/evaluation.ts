import type { LabelledExample } from '../../dataset/examples.ts'
import { type AnswerCounts, countAnswers } from '../../drift/answer-counts.ts'
import type { Head } from '../../head/head.ts'
import type {
  ReportConfusion,
  ReportMistake,
  ReportTest,
  ReportWorstConfusion,
} from '../../reports/types.ts'
import { describeAnswers, describeDecisions, describeReliability } from './describe-answers.ts'
import type { Compute, TrainingTools } from './tools.ts'
import { toTrainingSet } from './vectors.ts'

type Measured = Awaited<ReturnType<TrainingTools['evaluateHead']>>

/** A head on rows with known labels. */
export interface Evaluation {
  readonly test: ReportTest
  /** 1 where the whole answer was right, shape [rows]. */
  readonly correct: Uint8Array
  /** The labels of each row by their numbers in the head. */
  readonly truth: readonly (readonly number[])[]
  /** Share of the rows that the detector takes for its own; null without a detector. */
  readonly inDistribution: number | null
  /** What the head said, as answers in use are counted. */
  readonly counts: AnswerCounts
  /** Shape [rows, labels]. */
  readonly probabilities: Float32Array
  /** 1 for rows unlike the training data, shape [rows]; null without a detector. */
  readonly outside: Uint8Array | null
}

export interface EvaluationOptions extends Compute {
  readonly seed: number
  /** Quote this many wrong texts of each confusion. */
  readonly quotes: number
  /** Name this many images with wrong answers. @default 0 */
  readonly mistakes?: number | undefined
}

const MAX_WORST = 20
const FIVE_POINTS = 0.05

/** Evaluates a head on rows whose labels it has. */
export async function evaluateOnRows(
  head: Head,
  examples: readonly LabelledExample[],
  embeddings: Float32Array,
  { tools, kernels, seed, quotes, mistakes = 0 }: EvaluationOptions,
): Promise<Evaluation> {
  const multiLabel = head.activation === 'sigmoid'
  const set = toTrainingSet(examples, embeddings, head.dimension, {
    labels: head.labels,
    multiLabel,
  })
  const measured = await tools.evaluateHead(head, set, kernels)
  const { right, predicted, ece, nll, perClass, inDistribution } = measured
  const answers = Array.from(predicted, (label) => head.labels[label]!)
  const { accuracy, macroF1, microF1 } = tools.measureAnswers(measured.answers, seed)
  const { length: columns } = head.labels
  const shaped = { data: measured.probabilities, rows: examples.length, columns }
  return {
    correct: right,
    truth: measured.answers.truth,
    inDistribution,
    counts: countMeasured(head, measured),
    probabilities: measured.probabilities,
    outside:
      measured.oodScores &&
      Uint8Array.from(measured.oodScores, (score) => Number(score > head.detector!.threshold)),
    test: {
      rows: examples.length,
      accuracy: accuracy.value,
      interval: accuracy.interval,
      macroF1: macroF1.value,
      macroF1Interval: macroF1.interval,
      microF1,
      ece,
      nll,
      nllInterval: tools.intervalOfMean(measured.losses, seed),
      rowsForFivePoints: tools.rowsForMargin(accuracy.value, FIVE_POINTS),
      perClass,
      reliability: describeReliability(measured.reliability),
      ...describeAnswers(
        tools,
        head,
        {
          probabilities: shaped,
          truth: Int32Array.from(measured.answers.truth, (labels) => labels[0] ?? -1),
          examples,
        },
        seed,
      ),
      ...(multiLabel && describeDecisions(tools, shaped, measured.answers)),
      confusions: multiLabel ? [] : countConfusions(head, answers, examples),
      worstConfusions: multiLabel ? [] : listWorst(answers, examples, quotes),
      ...(mistakes > 0 && {
        mistakes: listMistakes(head, measured, examples).slice(0, mistakes),
      }),
    },
  }
}

function countMeasured(
  { labels, activation, detector }: Head,
  { answers, predicted, probabilities, oodScores }: Measured,
): AnswerCounts {
  const counted = answers.said.map((said, row) => {
    const given = said.map((label) => ({ label: labels[label]! }))
    return {
      label: given[0]?.label ?? null,
      score: probabilities[row * labels.length + predicted[row]!]!,
      labels: given,
      inDistribution: oodScores && oodScores[row]! <= detector!.threshold,
    }
  })
  return countAnswers(counted, { multiLabel: activation === 'sigmoid' })
}

/** Wrong answers, the most confident first; with several labels an image none are named. */
function listMistakes(
  { labels, activation }: Head,
  { right, predicted, probabilities }: Pick<Measured, 'right' | 'predicted' | 'probabilities'>,
  examples: readonly LabelledExample[],
): ReportMistake[] {
  if (activation === 'sigmoid') return []
  const wrong = examples.flatMap(({ text, labels: actual }, row) => {
    if (right[row] === 1) return []
    const answer = predicted[row]!
    const confidence = probabilities[row * labels.length + answer]!
    return [{ image: text, actual: actual[0]!, predicted: labels[answer]!, confidence }]
  })
  return wrong.sort((a, b) => b.confidence - a.confidence || (a.image < b.image ? -1 : 1))
}

function countConfusions(
  head: Head,
  answers: readonly string[],
  examples: readonly LabelledExample[],
): ReportConfusion[] {
  const indexOf = new Map(head.labels.map((label, index) => [label, index]))
  const counts = new Map<number, number>()
  for (const [row, label] of answers.entries()) {
    const actual = indexOf.get(examples[row]!.labels[0]!)!
    const key = actual * head.labels.length + indexOf.get(label)!
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([key, count]) => ({
      actual: Math.floor(key / head.labels.length),
      predicted: key % head.labels.length,
      count,
    }))
}

function listWorst(
  answers: readonly string[],
  examples: readonly LabelledExample[],
  quotes: number,
): ReportWorstConfusion[] {
  const pairs = new Map<string, { actual: string; predicted: string; rows: number[] }>()
  for (const [row, label] of answers.entries()) {
    const actual = examples[row]!.labels[0]!
    if (label === actual) continue
    const key = JSON.stringify([actual, label])
    const pair = pairs.get(key)
    if (pair === undefined) pairs.set(key, { actual, predicted: label, rows: [row] })
    else pair.rows.push(row)
  }
  return [...pairs.values()]
    .sort((a, b) => b.rows.length - a.rows.length)
    .slice(0, MAX_WORST)
    .map(({ actual, predicted, rows }) => ({
      actual,
      predicted,
      count: rows.length,
      examples: rows.slice(0, quotes).map((row) => examples[row]!.text),
    }))
}
