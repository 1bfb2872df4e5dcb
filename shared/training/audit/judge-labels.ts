import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { largestOf } from '../evaluation/probabilities.ts'
import {
  type ConfidentJoint,
  estimateJoint,
  type LabelledProbabilities,
  likeliestOther,
  noiseMatrix,
  pruneRows,
} from './confident-learning.ts'
import { fitLabelNoise, type LabelNoise, NO_NOISE, wrongProbabilities } from './label-noise.ts'

/** A row whose label is likely wrong. */
export interface Suspect {
  /** Its place among the rows that were judged. */
  readonly row: number
  readonly given: number
  /** The likelier label. */
  readonly likelier: number
  /** Probability that the given label is wrong, 0 to 1. */
  readonly score: number
}

/** What out-of-fold probabilities say of the labels. */
export interface LabelJudgement {
  readonly joint: ConfidentJoint
  /** `NO_NOISE` unless a share of wrong labels explains the rows clearly better than unsure answers do. */
  readonly noise: LabelNoise
  /** Most likely wrong first. */
  readonly suspects: readonly Suspect[]
}

/** Any wrong label is as likely as another: two numbers are fitted, so little speaks for them by chance. */
const LEAST_RATE = 0.03
const LEAST_GAIN = 12
/** Flips between certain labels are estimated from the same rows, which alone gains up to 80 on clean sets. */
const LEAST_RATE_OF_PAIRS = 0.08
const LEAST_GAIN_OF_PAIRS = 100
/** Standard errors by which answers must beat the most frequent label: else labels do not follow from the inputs. */
const LEARNT = 3
/** Share of one pattern of flips that goes to all labels, so that none is impossible. */
const SMOOTHING = 0.02
const LIKELY = 0.5
/** Where many labels are wrong no answer is surer than the share of right ones: as sure as this part of the surest is sure. */
const SURE = 0.95
/** Share of the answers that are less sure than the surest that counts. */
const SUREST = 0.97
/** Without noise in all, a label is doubtful where another one is so probable. */
const CONTRADICTED = 0.9
/** On few rows no fit is that sure. */
const FEW_ROWS = 500
const CONTRADICTED_OF_FEW = 0.75

/** Judges given labels by out-of-fold probabilities: how many are likely wrong, and which. */
export function judgeLabels(labelled: LabelledProbabilities): LabelJudgement {
  const joint = estimateJoint(labelled)
  const noise = findNoise(labelled, joint)
  const scores = noise === NO_NOISE ? null : wrongProbabilities(labelled, noise)
  const rows =
    scores === null
      ? listContradicted(labelled, joint)
      : [...scores.keys()].filter((row) => scores[row]! > LIKELY)
  const { probabilities, given } = labelled
  const { data, columns } = probabilities
  const suspects = rows.map((row) => {
    const likelier = likeliestOther(probabilities, row, given[row]!)
    const score = scores?.[row] ?? data[row * columns + likelier]!
    return { row, given: given[row]!, likelier, score }
  })
  return { joint, noise, suspects: suspects.sort((a, b) => b.score - a.score || a.row - b.row) }
}

/** What confident learning takes for wrong where another label is nearly sure; of few rows all such. */
function listContradicted(labelled: LabelledProbabilities, joint: ConfidentJoint): number[] {
  const { probabilities, given } = labelled
  if (!isLearnt(labelled)) return []
  const isFew = given.length < FEW_ROWS
  const surest = SURE * mostConfidence(probabilities)
  const least = Math.min(isFew ? CONTRADICTED_OF_FEW : CONTRADICTED, surest)
  const rows = isFew ? [...given.keys()] : pruneRows(labelled, joint, 'by-pair')
  return rows.filter((row) => {
    const other = likeliestOther(probabilities, row, given[row]!)
    return probabilities.data[row * probabilities.columns + other]! >= least
  })
}

/** How sure the surest answers are, but for the few at the top. */
function mostConfidence(probabilities: Matrix): number {
  const { data, rows, columns } = probabilities
  const best = Float64Array.from({ length: rows }, (_, row) => {
    return data[row * columns + largestOf(probabilities, row)]!
  }).sort()
  return best[Math.min(rows - 1, Math.floor(SUREST * rows))] ?? 1
}

function findNoise(labelled: LabelledProbabilities, joint: ConfidentJoint): LabelNoise {
  if (!isLearnt(labelled)) return NO_NOISE
  const any = fitLabelNoise(labelled)
  if (any.rate >= LEAST_RATE && any.gain >= LEAST_GAIN) return any
  const pairs = fitLabelNoise(labelled, flipsOf(joint))
  const isClear = pairs.rate >= LEAST_RATE_OF_PAIRS && pairs.gain >= LEAST_GAIN_OF_PAIRS
  return isClear ? pairs : NO_NOISE
}

/** Whether the answers agree with the labels clearly more often than the most frequent label does. */
function isLearnt({ probabilities, given }: LabelledProbabilities): boolean {
  const rows = given.length
  if (rows === 0) return false
  const counts = new Float64Array(probabilities.columns)
  let right = 0
  given.forEach((label, row) => {
    counts[label]!++
    if (largestOf(probabilities, row) === label) right++
  })
  const guessed = Math.max(...counts) / rows
  return right / rows > guessed + LEARNT * Math.sqrt((guessed * (1 - guessed)) / rows)
}

/** Where wrong labels go by the joint, shape [true, given]. */
function flipsOf(joint: ConfidentJoint): Float64Array {
  const { labels } = joint
  const matrix = noiseMatrix(joint)
  for (let actual = 0; actual < labels; actual++) {
    const row = matrix.subarray(actual * labels, (actual + 1) * labels)
    row[actual] = 0
    const total = row.reduce((sum, share) => sum + share, 0)
    for (let label = 0; label < labels; label++) {
      const share = total === 0 ? 0 : (1 - SMOOTHING) * (row[label]! / total)
      const even = (total === 0 ? 1 : SMOOTHING) / (labels - 1)
      row[label] = label === actual ? 0 : share + even
    }
  }
  return matrix
}
