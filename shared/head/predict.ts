import { EspalierError } from '../lib/errors.ts'
import type { AnswerRules } from './answer-rules.ts'
import type { HeadPlace } from './columns.ts'
import type { Head } from './head.ts'
import { addVotes, type Neighbours } from './neighbours.ts'
import type { SetRule } from './prediction-sets.ts'

/** A selection by insertion beats a sort up to about this many. */
const MOST_INSERTED = 16

/** What a head needs of each row: its columns of the stacked product, and its nearest memories. */
export interface HeadInput {
  /** Shape [rows, stride]: the scores of all heads. */
  readonly scores: Float32Array
  readonly rows: number
  readonly stride: number
  /** The columns of this head. */
  readonly place: HeadPlace
  /** Required where the head has a memory. */
  readonly neighbours?: Neighbours | undefined
}

export interface LabelScore {
  readonly label: string
  readonly score: number
}

export interface Prediction {
  /** The best label; null where none reaches its threshold. */
  readonly label: string | null
  /** The best label's probability, also where it stays below the threshold. */
  readonly score: number
  /** Softmax: the `topK` best. Sigmoid: those that hold, best first, cut to `topK`. */
  readonly labels: readonly LabelScore[]
  /** Null where the head has no detector. */
  readonly inDistribution: boolean | null
  /** Relative Mahalanobis distance: higher is further from the training data. */
  readonly oodScore: number | null
  /** True where the score is too low, or the row unlike the training data; absent where nothing says how low. */
  readonly abstained?: boolean
  /** Where asked for. */
  readonly set?: PredictionSet
}

/** Labels that hold the true one with a stated coverage. */
export interface PredictionSet extends Pick<SetRule, 'coverage' | 'byLabel' | 'tooFewRows'> {
  /** Best first; none where even the best is less likely than true labels are. */
  readonly labels: readonly LabelScore[]
}

export interface PredictOptions extends AnswerRules {
  /** Labels to list. @default all */
  readonly topK?: number | undefined
}

/** Ranks the labels of every row. */
export function predict(head: Head, input: HeadInput, options: PredictOptions = {}): Prediction[] {
  const probabilities = computeProbabilities(head, input)
  const distances = readOodScores(input)
  const classes = head.labels.length
  const predictions: Prediction[] = []
  const { threshold, thresholds, minScore } = options
  const isChosen = threshold !== undefined || thresholds !== undefined
  const isFiltered = head.activation === 'sigmoid' || isChosen
  const canAbstain = minScore !== undefined && head.activation === 'softmax'
  const count = Math.min(options.topK ?? classes, classes)
  for (let row = 0; row < input.rows; row++) {
    const from = row * classes
    const oodScore = distances ? distances[row]! : null
    const inDistribution = oodScore === null ? null : oodScore <= head.detector!.threshold
    const shown = isFiltered
      ? findHolding(head, probabilities.subarray(from, from + classes), options, count)
      : findBest(probabilities, from, classes, count)
    const labels: LabelScore[] = []
    for (const index of shown) {
      labels.push({ label: head.labels[index]!, score: probabilities[from + index]! })
    }
    const [best] = labels
    const label = best?.label ?? null
    const score = best && !isFiltered ? best.score : findHighest(probabilities, from, classes)
    predictions.push({
      ...{ label, score, labels, inDistribution, oodScore },
      ...(canAbstain && { abstained: score < minScore || inDistribution === false }),
      ...(options.set && { set: cutSet(head, probabilities, from, options.set) }),
    })
  }
  return predictions
}

function cutSet(head: Head, scores: Float32Array, from: number, rule: SetRule): PredictionSet {
  const { coverage, byLabel, tooFewRows, least } = rule
  const own = scores.subarray(from, from + least.length)
  const held = sortByScore(
    least.flatMap((cut, index) => (own[index]! >= cut ? [index] : [])),
    own,
  )
  const labels = held.map((index) => ({ label: head.labels[index]!, score: own[index]! }))
  return { labels, coverage, byLabel, tooFewRows }
}

/** Indices of the labels that reach their thresholds, best first, `count` at most. */
function findHolding(
  head: Head,
  scores: Float32Array,
  { threshold, thresholds }: AnswerRules,
  count: number,
): number[] {
  const fallback = head.activation === 'sigmoid' ? 0.5 : 0
  const holding = [...scores.keys()].filter(
    (index) =>
      scores[index]! >= (threshold ?? thresholds?.[index] ?? head.thresholds?.[index] ?? fallback),
  )
  return sortByScore(holding, scores).slice(0, count)
}

/** Indices of the `count` highest of the scores from `from` on, best first; of equals the first. */
function findBest(scores: Float32Array, from: number, classes: number, count: number): number[] {
  if (count > MOST_INSERTED) {
    const row = scores.subarray(from, from + classes)
    return sortByScore([...row.keys()], row).slice(0, count)
  }
  const best: number[] = []
  for (let index = 0; index < classes; index++) {
    const score = scores[from + index]!
    let at = best.length
    while (at > 0 && scores[from + best[at - 1]!]! < score) at--
    if (at >= count) continue
    if (best.length === count) best.pop()
    best.splice(at, 0, index)
  }
  return best
}

function findHighest(scores: Float32Array, from: number, classes: number): number {
  let highest = scores[from]!
  for (let at = from + 1; at < from + classes; at++) highest = Math.max(highest, scores[at]!)
  return highest
}

function sortByScore(indices: number[], scores: Float32Array): number[] {
  return indices.sort((a, b) => scores[b]! - scores[a]! || a - b)
}

/** Probabilities of all labels, shape [rows, labels]; with softmax each row sums to 1. */
export function computeProbabilities(head: Head, input: HeadInput): Float32Array {
  const classes = head.labels.length
  const { memory } = head
  if (memory && !input.neighbours) {
    throw new EspalierError('internal', 'the head blends in neighbours, but none were searched')
  }
  const out = new Float32Array(input.rows * classes)
  const row = new Float64Array(classes)
  for (let r = 0; r < input.rows; r++) {
    const from = r * input.stride + input.place.offset
    for (let c = 0; c < classes; c++) row[c] = input.scores[from + c]! / head.temperature
    if (head.activation === 'sigmoid') {
      for (let c = 0; c < classes; c++) row[c] = 1 / (1 + Math.exp(-row[c]!))
    } else {
      normaliseExponentials(row)
      if (memory && input.neighbours) {
        for (let c = 0; c < classes; c++) row[c] = row[c]! * (1 - memory.weight)
        addVotes(memory, input.neighbours, r * input.neighbours.k, memory.weight, row)
      }
      if (head.adjustment) {
        for (let c = 0; c < classes; c++) {
          row[c] = Math.log(Math.max(row[c]!, Number.MIN_VALUE)) + head.adjustment[c]!
        }
        normaliseExponentials(row)
      }
    }
    for (let c = 0; c < classes; c++) out[r * classes + c] = row[c]!
  }
  return out
}

function normaliseExponentials(row: Float64Array): void {
  let highest = -Infinity
  for (let c = 0; c < row.length; c++) highest = Math.max(highest, row[c]!)
  let total = 0
  for (let c = 0; c < row.length; c++) {
    row[c] = Math.exp(row[c]! - highest)
    total += row[c]!
  }
  for (let c = 0; c < row.length; c++) row[c] = row[c]! / total
}

/** Distances of all rows from the training data, shape [rows]; null where the head has no detector. */
export function readOodScores({ scores, rows, stride, place }: HeadInput): Float32Array | null {
  const { distance } = place
  if (distance === null) return null
  const out = new Float32Array(rows)
  for (let row = 0; row < rows; row++) out[row] = scores[row * stride + distance]!
  return out
}
