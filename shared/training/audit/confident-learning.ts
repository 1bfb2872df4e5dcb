import type { Matrix } from '../../lib/maths/matrix-kernels.ts'

/** Given labels beside what fits that had not seen their rows say of them. */
export interface LabelledProbabilities {
  /** Shape [rows, labels], out-of-fold. */
  readonly probabilities: Matrix
  /** Shape [rows]: the label that each row was given. */
  readonly given: Int32Array
}

/** How many rows of each given label seem to be of each true label. */
export interface ConfidentJoint {
  /** Shape [labels]: mean probability of each label on the rows that have it; not a number where none has. */
  readonly thresholds: Float64Array
  /** Shape [given, true]: rows whose most probable label above its threshold is `true`. */
  readonly counts: Float64Array
  /** The same scaled to the number of rows of each given label, in whole rows. */
  readonly calibrated: Float64Array
  readonly labels: number
}

/** Thresholds are lowered by this, so that rounding does not part equal probabilities. */
const ROUNDING = 1e-6

/**
 * The confident joint of Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset
 * Labels" (JAIR 2021), equations 1 to 3: a row counts for the most probable of the labels whose probability
 * reaches the mean that rows of that label have.
 */
export function estimateJoint({ probabilities, given }: LabelledProbabilities): ConfidentJoint {
  const { data, rows, columns: labels } = probabilities
  const members = new Float64Array(labels)
  const sums = new Float64Array(labels)
  for (let row = 0; row < rows; row++) {
    const label = given[row]!
    members[label]!++
    sums[label] = sums[label]! + data[row * labels + label]!
  }
  const thresholds = sums.map((sum, label) => sum / members[label]!)
  const counts = new Float64Array(labels * labels)
  for (let row = 0; row < rows; row++) {
    const found = mostConfident(data, row * labels, thresholds)
    if (found >= 0) counts[given[row]! * labels + found]!++
  }
  const calibrated = new Float64Array(labels * labels)
  for (let label = 0; label < labels; label++) {
    const from = label * labels
    const total = counts.subarray(from, from + labels).reduce((sum, count) => sum + count, 0)
    // Where no row of a label is sure of anything, its rows are taken as they are.
    if (total === 0) calibrated[from + label] = members[label]!
    else {
      const shares = counts.subarray(from, from + labels).map((count) => count / total)
      calibrated.set(roundShares(shares, members[label]!), from)
    }
  }
  return { thresholds, counts, calibrated, labels }
}

/** Whole numbers of rows in the proportion of `shares`, which sum to `total`: the largest remainders get one more. */
function roundShares(shares: Float64Array, total: number): Float64Array {
  const exact = shares.map((share) => share * total)
  const whole = exact.map((value) => Math.floor(value + ROUNDING))
  const left = Math.round(total - whole.reduce((sum, value) => sum + value, 0))
  const order = [...exact.keys()].sort(
    (a, b) => exact[b]! - whole[b]! - (exact[a]! - whole[a]!) || a - b,
  )
  for (const at of order.slice(0, left)) whole[at]!++
  return whole
}

function mostConfident(data: Float32Array, from: number, thresholds: Float64Array): number {
  let found = -1
  for (let c = 0; c < thresholds.length; c++) {
    const p = data[from + c]!
    if (!(p >= thresholds[c]! - ROUNDING)) continue
    if (found < 0 || p > data[from + found]!) found = c
  }
  return found
}

/** Share of the rows whose given label is another than the true one, by the calibrated joint. */
export function estimateNoise({ calibrated, labels }: ConfidentJoint): number {
  let [wrong, all] = [0, 0]
  for (let at = 0; at < calibrated.length; at++) {
    all += calibrated[at]!
    if (Math.floor(at / labels) !== at % labels) wrong += calibrated[at]!
  }
  return all === 0 ? 0 : wrong / all
}

/** Probability of each given label for each true one, shape [true, given]; rows sum to 1. */
export function noiseMatrix({ calibrated, labels }: ConfidentJoint): Float64Array {
  const matrix = new Float64Array(labels * labels)
  for (let actual = 0; actual < labels; actual++) {
    let total = 0
    for (let label = 0; label < labels; label++) total += calibrated[label * labels + actual]!
    for (let label = 0; label < labels; label++) {
      const share =
        total === 0 ? Number(label === actual) : calibrated[label * labels + actual]! / total
      matrix[actual * labels + label] = share
    }
  }
  return matrix
}

/** Probability of the given label less that of the most probable other one, -1 to 1, shape [rows]. */
export function labelMargins({ probabilities, given }: LabelledProbabilities): Float64Array {
  const { data, columns } = probabilities
  return Float64Array.from(given, (label, row) => {
    const other = likeliestOther(probabilities, row, label)
    return data[row * columns + label]! - data[row * columns + other]!
  })
}

/** The most probable label of a row beside one; of equals the first. */
export function likeliestOther({ data, columns }: Matrix, row: number, label: number): number {
  const from = row * columns
  let best = label === 0 ? 1 : 0
  for (let c = best + 1; c < columns; c++) {
    if (c !== label && data[from + c]! > data[from + best]!) best = c
  }
  return best
}

/** Which rows are taken for wrong: by each pair of labels, by each given label, or where both agree. */
export type Pruning = 'by-pair' | 'by-label' | 'both'

/**
 * Rows whose label is likely wrong: as many as the calibrated joint has off its diagonal, for each pair of
 * labels those of the largest margin for the other (`by-pair`: prune by noise rate), for each given label those
 * least probable (`by-label`: prune by class). Rows whose given label is the most probable one stay. Ascending.
 */
export function pruneRows(
  labelled: LabelledProbabilities,
  joint: ConfidentJoint,
  pruning: Pruning,
): number[] {
  const marks = pruning === 'by-label' ? null : pruneByPair(labelled, joint)
  const others = pruning === 'by-pair' ? null : pruneByLabel(labelled, joint)
  const margins = labelMargins(labelled)
  const rows: number[] = []
  margins.forEach((margin, row) => {
    const isMarked = (marks?.[row] ?? 1) === 1 && (others?.[row] ?? 1) === 1
    if (isMarked && margin < 0) rows.push(row)
  })
  return rows
}

function pruneByPair({ probabilities, given }: LabelledProbabilities, joint: ConfidentJoint) {
  const { data, columns: labels } = probabilities
  const marks = new Uint8Array(given.length)
  for (const [label, rows] of rowsByLabel(given, labels).entries()) {
    for (let other = 0; other < labels; other++) {
      const count = joint.calibrated[label * labels + other]!
      if (other === label || count === 0) continue
      const margin = (row: number) => data[row * labels + other]! - data[row * labels + label]!
      const ordered = rows.toSorted((a, b) => margin(b) - margin(a) || a - b)
      for (const row of ordered.slice(0, count)) marks[row] = 1
    }
  }
  return marks
}

function pruneByLabel({ probabilities, given }: LabelledProbabilities, joint: ConfidentJoint) {
  const { data, columns: labels } = probabilities
  const marks = new Uint8Array(given.length)
  for (const [label, rows] of rowsByLabel(given, labels).entries()) {
    const count = rows.length - joint.calibrated[label * labels + label]!
    const own = (row: number) => data[row * labels + label]!
    for (const row of rows.toSorted((a, b) => own(a) - own(b) || a - b).slice(0, count))
      marks[row] = 1
  }
  return marks
}

function rowsByLabel(given: Int32Array, labels: number): number[][] {
  const rows: number[][] = Array.from({ length: labels }, () => [])
  given.forEach((label, row) => {
    rows[label]!.push(row)
  })
  return rows
}
