import type { NearestRows } from '../../lib/maths/matrix-kernels.ts'

/** Two rows that are nearly the same. */
export interface RowPair {
  readonly row: number
  /** The earlier one. */
  readonly other: number
  /** Cosine of their vectors. */
  readonly similarity: number
}

/** A row unlike all others. */
export interface Outlier {
  readonly row: number
  /** Mean cosine with its nearest rows. */
  readonly similarity: number
}

/** What the nearest rows of rows tell. */
export interface Neighbourhoods {
  /** Nearly the same row with another label, the nearest first. */
  readonly conflicts: readonly RowPair[]
  /** Nearly the same row with the same label, the nearest first. */
  readonly copies: readonly RowPair[]
  /** The most unlike first. */
  readonly outliers: readonly Outlier[]
}

/** Rows nearer than this differ in marks, case or a word that says little. */
const NEARLY_SAME = 0.98
/** Deviations (1.4826 times the median one, as for normal numbers) below the median from which on a row is an outlier. */
const DEVIATIONS = 4
const NORMAL = 1.4826
/** With fewer rows there is no usual distance. */
const FEWEST_ROWS = 30

/** Finds copies, conflicts and outliers among rows by the neighbours of each, itself left out. */
export function findNeighbourhoods(nearest: NearestRows, targets: Int32Array): Neighbourhoods {
  const { similarities, indices, k } = nearest
  const pairs = new Map<string, RowPair>()
  for (let at = 0; at < indices.length; at++) {
    const similarity = similarities[at]!
    if (!(similarity >= NEARLY_SAME)) continue
    const [a, b] = [Math.floor(at / k), indices[at]!]
    const pair = { row: Math.max(a, b), other: Math.min(a, b), similarity: Math.min(1, similarity) }
    pairs.set(`${pair.other} ${pair.row}`, pair)
  }
  const ordered = [...pairs.values()].sort(
    (a, b) => b.similarity - a.similarity || a.row - b.row || a.other - b.other,
  )
  const isConflict = ({ row, other }: RowPair) => targets[row] !== targets[other]
  return {
    conflicts: oncePerRow(ordered.filter(isConflict)),
    copies: oncePerRow(ordered.filter((pair) => !isConflict(pair))),
    outliers: findOutliers(nearest),
  }
}

/** Of the pairs of a row the nearest. */
function oncePerRow(pairs: readonly RowPair[]): RowPair[] {
  const seen = new Set<number>()
  return pairs.filter(({ row }) => {
    if (seen.has(row)) return false
    seen.add(row)
    return true
  })
}

function findOutliers({ similarities, k }: NearestRows): Outlier[] {
  const rows = k === 0 ? 0 : similarities.length / k
  if (rows < FEWEST_ROWS) return []
  const means = Float64Array.from({ length: rows }, (_, row) => {
    const own = similarities.subarray(row * k, (row + 1) * k)
    return own.reduce((sum, similarity) => sum + similarity, 0) / k
  })
  const centre = medianOf(means)
  const deviation = NORMAL * medianOf(means.map((mean) => Math.abs(mean - centre)))
  const least = centre - DEVIATIONS * Math.max(deviation, Number.EPSILON)
  const found = [...means.keys()].flatMap((row) =>
    means[row]! < least ? [{ row, similarity: means[row]! }] : [],
  )
  return found.sort((a, b) => a.similarity - b.similarity || a.row - b.row)
}

function medianOf(values: Float64Array): number {
  const sorted = values.toSorted()
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
