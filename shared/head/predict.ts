import { EspalierError } from '../lib/errors.ts'
import { selectLargest } from '../lib/select-largest.ts'
import type { HeadPlace } from './columns.ts'
import type { Head } from './head.ts'
import { addVotes, type Neighbours } from './neighbours.ts'

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
}

export interface PredictOptions {
  /** Labels to list. @default all */
  readonly topK?: number | undefined
  /** Probability that a label must reach; replaces the head's own thresholds. */
  readonly threshold?: number | undefined
}

/** Ranks the labels of every row. */
export function predict(head: Head, input: HeadInput, options: PredictOptions = {}): Prediction[] {
  const probabilities = computeProbabilities(head, input)
  const distances = readOodScores(input)
  const classes = head.labels.length
  const predictions: Prediction[] = []
  for (let row = 0; row < input.rows; row++) {
    const scores = probabilities.subarray(row * classes, (row + 1) * classes)
    const oodScore = distances ? distances[row]! : null
    const inDistribution = oodScore === null ? null : oodScore <= head.detector!.threshold
    const { label, score, labels } = rank(head, scores, options)
    predictions.push({ label, score, labels, inDistribution, oodScore })
  }
  return predictions
}

function rank(head: Head, scores: Float32Array, { topK, threshold }: PredictOptions) {
  const all = scores.length
  const isFiltered = head.activation === 'sigmoid' || threshold !== undefined
  const least = (index: number): number =>
    threshold ?? head.thresholds?.[index] ?? (head.activation === 'sigmoid' ? 0.5 : 0)
  let shown: number[]
  if (isFiltered) {
    const holding = [...scores.keys()].filter((index) => scores[index]! >= least(index))
    shown = sortByScore(holding, scores).slice(0, topK ?? all)
  } else shown = findBest(scores, Math.min(topK ?? all, all))
  const labels = shown.map((index) => ({ label: head.labels[index]!, score: scores[index]! }))
  const [best] = labels
  return { label: best?.label ?? null, score: scores.reduce((a, b) => Math.max(a, b)), labels }
}

/** Indices of the `count` highest scores, best first. */
function findBest(scores: Float32Array, count: number): number[] {
  if (count > MOST_INSERTED) return sortByScore([...scores.keys()], scores).slice(0, count)
  const positions = new Int32Array(count)
  selectLargest(scores, new Float32Array(count), positions)
  return [...positions]
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
    out.set(row, r * classes)
  }
  return out
}

function normaliseExponentials(row: Float64Array): void {
  let highest = -Infinity
  for (const value of row) highest = Math.max(highest, value)
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
