import type { Head } from '../../head/head.ts'
import { computeProbabilities, type HeadInput, readOodScores } from '../../head/predict.ts'
import { createRowScorer } from '../../head/score-rows.ts'
import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import type { TrainingSet } from '../types.ts'
import { chooseThresholds } from './calibration.ts'
import { truthOf } from './evaluate.ts'
import { likelihood } from './probabilities.ts'

/** Share of in-distribution rows that the detector lets through. */
const KEPT_SHARE = 0.95
/** With fewer rows a quantile is a matter of luck. */
const FEWEST_ROWS = 20
/** Temperatures far around the present one, by golden-section search over the logarithm. */
const SPAN = Math.log(10_000)
const SEARCH_STEPS = 36
const GOLDEN = (Math.sqrt(5) - 1) / 2

/**
 * Fits temperature, thresholds and the detector's threshold anew on rows that neither the head nor its
 * encoder has learnt: a fine-tuned encoder is sure of its training rows, and a head calibrated on them would
 * be too (Guo et al. 2017). With fewer than 20 rows the head stays as it is, without its detector: no threshold is known.
 */
export async function recalibrateHead(
  head: Head,
  set: TrainingSet,
  kernels: MatrixKernels,
): Promise<Head> {
  const rows = set.embeddings.length / set.dimension
  if (rows < FEWEST_ROWS) return { ...head, detector: null }
  const input = await createRowScorer(head, kernels)(set.embeddings)
  const truth = truthOf(head, set)
  const tempered = { ...head, temperature: searchTemperature(head, input, truth) }
  const distances = readOodScores(input)
  return {
    ...tempered,
    thresholds: head.thresholds && chooseThresholds(probabilitiesOf(tempered, input), truth),
    detector:
      head.detector && distances
        ? { ...head.detector, threshold: quantile(distances, KEPT_SHARE) }
        : head.detector,
  }
}

/** How far beyond the detector's threshold each row lies, shape [rows]; null for a head without one. */
export async function measureExcess(
  head: Head,
  set: TrainingSet,
  kernels: MatrixKernels,
): Promise<Float32Array | null> {
  const { detector } = head
  if (detector === null) return null
  const distances = readOodScores(await createRowScorer(head, kernels)(set.embeddings))
  return distances?.map((distance) => distance - detector.threshold) ?? null
}

/**
 * What a threshold from learnt rows is raised by, so that it lets the share of ordinary rows pass that it should: the
 * quantile of what held-out rows exceeded those of their folds by, corrected for their number. Null for fewer than 20.
 */
export function chooseWidening(excess: readonly number[]): number | null {
  const rows = excess.length
  if (rows < FEWEST_ROWS) return null
  const sorted = Float64Array.from(excess).sort()
  return sorted[Math.min(rows, Math.ceil(KEPT_SHARE * (rows + 1))) - 1]!
}

function searchTemperature(head: Head, input: HeadInput, truth: Matrix): number {
  const lossAt = (logarithm: number): number =>
    likelihood(
      probabilitiesOf({ ...head, temperature: Math.exp(logarithm) }, input),
      truth,
      head.activation,
    )
  const middle = Math.log(head.temperature)
  let [low, high] = [middle - SPAN, middle + SPAN]
  let left = high - GOLDEN * (high - low)
  let right = low + GOLDEN * (high - low)
  let [leftLoss, rightLoss] = [lossAt(left), lossAt(right)]
  for (let step = 0; step < SEARCH_STEPS; step++) {
    if (leftLoss < rightLoss) {
      high = right
      right = left
      rightLoss = leftLoss
      left = high - GOLDEN * (high - low)
      leftLoss = lossAt(left)
    } else {
      low = left
      left = right
      leftLoss = rightLoss
      right = low + GOLDEN * (high - low)
      rightLoss = lossAt(right)
    }
  }
  return Math.exp((low + high) / 2)
}

function probabilitiesOf(head: Head, input: HeadInput): Matrix {
  return {
    data: computeProbabilities(head, input),
    rows: input.rows,
    columns: head.labels.length,
  }
}

/** The smallest value that at least `share` of all values do not exceed. */
function quantile(values: Float32Array, share: number): number {
  const sorted = Float32Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!
}
