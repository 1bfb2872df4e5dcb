import type { Features } from '../numerics/features.ts'
import type { LinearFit } from '../numerics/linear-fit.ts'
import type { Domain } from './domain.ts'
import { fillEmptyClasses } from './fill-classes.ts'

/** Distances kept to fill empty classes: 160 MB. */
const MAX_COST_CELLS = 20_000_000
/** Filling is cubic in the classes. */
const MAX_FILLED_CLASSES = 1_000

/** Labels of the target's rows. */
export interface Assignment {
  /** Shape [rows]: index of the nearest centre, but for the rows that fill a class that no row is nearest to. */
  readonly labels: Int32Array
  /** Rows that are not with their nearest centre. */
  readonly moved: number
  /** Classes without any row: too few rows, or too many classes to fill. */
  readonly empty: number
}

/** Means of the classes in standardised coordinates, shape [classes, columns]. */
export function classCentres(
  { standard }: Domain,
  targets: Int32Array,
  classes: number,
): Float64Array {
  const { data, columns } = standard
  const centres = new Float64Array(classes * columns)
  const counts = new Float64Array(classes)
  targets.forEach((target, row) => {
    counts[target] = counts[target]! + 1
    const [to, from] = [target * columns, row * columns]
    for (let j = 0; j < columns; j++) centres[to + j] = centres[to + j]! + data[from + j]!
  })
  return centres.map((sum, i) => sum / counts[Math.floor(i / columns)]!)
}

/**
 * EasyTL (Wang et al. 2019, with an alignment; "EasyTL(c)" without): target rows get the class of the nearest
 * source centre, and every class at least one row. That is the exact optimum of the paper's intra-domain
 * programme: min Σ distance · M with M's columns summing to 1 and its rows to 1 at least.
 */
export function assignRows(target: Domain, centres: Float64Array): Assignment {
  const { standard } = target
  const classes = centres.length / standard.columns
  const labels = nearestCentres(standard, centres)
  const counts = new Int32Array(classes)
  for (const label of labels) counts[label]!++
  const empty = counts.filter((count) => count === 0).length
  const isFillable =
    standard.rows >= classes &&
    classes <= MAX_FILLED_CLASSES &&
    standard.rows * classes <= MAX_COST_CELLS
  if (empty === 0 || !isFillable) return { labels, moved: 0, empty }
  const filled = fillEmptyClasses(distances(standard, centres), labels, classes)
  const moved = filled.reduce((sum, label, row) => sum + Number(label !== labels[row]), 0)
  return { labels: filled, moved, empty: 0 }
}

/** Centres as an affine classifier of raw target rows: score = z·h - |h|² / 2 with z = (x - mean) / deviation. */
export function toLinearFit(centres: Float64Array, target: Domain): LinearFit {
  const columns = target.mean.length
  const bias = new Float64Array(centres.length / columns)
  centres.forEach((value, i) => {
    const c = Math.floor(i / columns)
    bias[c] = bias[c]! - (value * value) / 2
  })
  return unstandardise({ weights: centres, bias }, target)
}

/** The classifier of raw rows that equals one of rows standardised by the domain. */
export function unstandardise({ weights, bias }: LinearFit, domain: Domain): LinearFit {
  const { mean, deviation } = domain
  const columns = mean.length
  const out = { weights: new Float64Array(weights.length), bias: Float64Array.from(bias) }
  weights.forEach((weight, i) => {
    const j = i % columns
    if (deviation[j] === 0) return
    const c = Math.floor(i / columns)
    out.weights[i] = weight / deviation[j]!
    out.bias[c] = out.bias[c]! - out.weights[i]! * mean[j]!
  })
  return out
}

/** Shape [rows]; ties go to the lower class. */
export function nearestCentres(rows: Features, centres: Float64Array): Int32Array {
  const classes = centres.length / rows.columns
  return Int32Array.from({ length: rows.rows }, (_, row) => {
    let best = 0
    let least = Infinity
    for (let c = 0; c < classes; c++) {
      const square = squaredDistance(rows, row, centres, c)
      if (square < least) [best, least] = [c, square]
    }
    return best
  })
}

function distances(rows: Features, centres: Float64Array): Float64Array {
  const classes = centres.length / rows.columns
  return Float64Array.from({ length: rows.rows * classes }, (_, at) =>
    Math.sqrt(squaredDistance(rows, Math.floor(at / classes), centres, at % classes)),
  )
}

function squaredDistance(rows: Features, row: number, centres: Float64Array, c: number): number {
  const { data, columns } = rows
  const [a, b] = [row * columns, c * columns]
  let sum = 0
  for (let j = 0; j < columns; j++) sum += (data[a + j]! - centres[b + j]!) ** 2
  return sum
}
