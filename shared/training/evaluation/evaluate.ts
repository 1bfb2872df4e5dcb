import type { Head } from '../../head/head.ts'
import { computeProbabilities, readOodScores } from '../../head/predict.ts'
import { createRowScorer } from '../../head/score-rows.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { oneHot } from '../numerics/rows.ts'
import type { TrainingSet } from '../types.ts'
import { type Answers, decide, labelsOfRows, sameSet, shareOf, tallyF1 } from './answers.ts'
import {
  type ClassMetrics,
  type Confusion,
  calibrationError,
  classMetrics,
  confidencesOf,
  confusionPairs,
  mean,
  predictedClasses,
  type ReliabilityBin,
  reliabilityBins,
} from './metrics.ts'
import { likelihood, rowLikelihoods } from './probabilities.ts'

/** What a head reaches on rows it has not seen. */
export interface Evaluation {
  readonly rows: number
  /** Share of rows answered right; with several labels a row, of rows whose whole set is right. */
  readonly accuracy: number
  readonly macroF1: number
  /** F1 over all decisions together; equals the accuracy where labels are exclusive. */
  readonly microF1: number
  /** Share of wrong yes-or-no decisions; null where labels are exclusive. */
  readonly hammingLoss: number | null
  readonly perClass: readonly ClassMetrics[]
  /** Most frequent first; empty for several labels a row. */
  readonly confusions: readonly Confusion[]
  readonly ece: number
  readonly nll: number
  readonly reliability: readonly ReliabilityBin[]
  /** Shape [rows]: most probable label. */
  readonly predicted: Int32Array
  /** Shape [rows]: 1 where the answer is right, for `compareHeads`. */
  readonly right: Uint8Array
  /** What is said of each row, and what is true. */
  readonly answers: Answers
  /** Negative log-likelihood of each row, shape [rows]. */
  readonly losses: Float64Array
  /** Shape [rows, labels]. */
  readonly probabilities: Float32Array
  /** Share of rows that the detector passes; null without one. */
  readonly inDistribution: number | null
  /** Shape [rows]; null without a detector. */
  readonly oodScores: Float32Array | null
}

/**
 * Measures a head on labelled rows. Labels of the set must be labels of the head, in any order.
 * @throws EspalierError `invalid_data` for a label that the head does not know
 */
export async function evaluateHead(
  head: Head,
  set: TrainingSet,
  kernels: MatrixKernels,
): Promise<Evaluation> {
  const input = await createRowScorer(head, kernels)(set.embeddings)
  const columns = head.labels.length
  const data = computeProbabilities(head, input)
  const probabilities = { data, rows: input.rows, columns }
  const truth = truthOf(head, set)
  const said = decide(head, probabilities)
  const actual = Uint8Array.from(truth.data)
  const perClass = classMetrics(head.labels, said, actual)
  const predicted = predictedClasses(probabilities)
  const answers = {
    said: labelsOfRows(said, columns),
    truth: labelsOfRows(actual, columns),
    labels: columns,
  }
  const right = Uint8Array.from(answers.truth, (labels, row) =>
    Number(sameSet(answers.said[row]!, labels)),
  )
  const f1 = tallyF1(answers)
  for (let row = 0; row < input.rows; row++) f1.macro.add(row, 1)
  const losses = rowLikelihoods(probabilities, truth, head.activation)
  const confidence = confidencesOf(probabilities, truth, head.activation)
  const reliability = reliabilityBins(confidence.confidences, confidence.right)
  const oodScores = readOodScores(input)
  const isMulti = head.activation === 'sigmoid'
  const known = isMulti ? null : predictedClasses(truth)
  return {
    rows: input.rows,
    accuracy: shareOf(right),
    macroF1: f1.macro.value(),
    microF1: f1.micro(),
    hammingLoss: isMulti
      ? said.reduce((sum, x, i) => sum + (x ^ actual[i]!), 0) / said.length
      : null,
    perClass,
    confusions: known ? confusionPairs(head.labels, predicted, known) : [],
    ece: calibrationError(reliability),
    nll: likelihood(probabilities, truth, head.activation),
    reliability,
    predicted,
    ...{ right, answers, losses },
    probabilities: data,
    inDistribution: oodScores
      ? mean(Array.from(oodScores, (score) => Number(score <= head.detector!.threshold)))
      : null,
    oodScores,
  }
}

/** What is true of each row, shape [rows, labels of the head]: 0 or 1. @throws EspalierError `invalid_data` */
export function truthOf(head: Head, { labels, targets, labelSets }: TrainingSet): Matrix {
  const places = labels.map((label) => head.labels.indexOf(label))
  const unknown = places.indexOf(-1)
  if (unknown >= 0) {
    const name = JSON.stringify(labels[unknown])
    throw new EspalierError('invalid_data', `label ${name} is not one of the head's labels`)
  }
  const columns = head.labels.length
  if (targets)
    return oneHot(
      targets.map((target) => places[target]!),
      columns,
    )
  const sets = labelSets ?? []
  const data = new Float32Array(sets.length * columns)
  sets.forEach((set, row) => {
    for (const label of set) data[row * columns + places[label]!] = 1
  })
  return { data, rows: sets.length, columns }
}
