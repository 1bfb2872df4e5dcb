import type { NearestRows } from '../../lib/maths/matrix-kernels.ts'
import type { CloseRows } from '../duplicates/find-near-duplicates.ts'

/** Two rows that say the same. */
export interface RowPair {
  readonly row: number
  /** The earlier one. */
  readonly other: number
  /** Cosine of their vectors; 1 where their texts have the same letters and digits. */
  readonly similarity: number
}

/** A row unlike all others. */
export interface Outlier {
  readonly row: number
  /** Mean cosine with its nearest rows. */
  readonly similarity: number
}

/** What copies and the nearest rows of rows tell. */
export interface Neighbourhoods {
  /** A near-duplicate with another label, the nearest first. */
  readonly conflicts: readonly RowPair[]
  /** A near-duplicate with the same label, the nearest first. */
  readonly copies: readonly RowPair[]
  /** The most unlike first. */
  readonly outliers: readonly Outlier[]
}

/** Deviations (1.4826 times the median one, as for normal numbers) below the median from which on a row is an outlier. */
const DEVIATIONS = 4
const NORMAL = 1.4826
/** With fewer rows there is no usual distance. */
const FEWEST_ROWS = 30

/**
 * Tells copies from conflicts among rows that say the same, and finds outliers by the neighbours of each row, itself left
 * out. `isSameLabel` compares the labels of two rows.
 */
export function findNeighbourhoods(
  links: readonly CloseRows[],
  nearest: NearestRows,
  isSameLabel: (row: number, other: number) => boolean,
): Neighbourhoods {
  const pairs = links.map(({ a, b, cosine }) => ({
    ...{ row: b, other: a },
    similarity: Math.min(1, cosine),
  }))
  const isCopy = ({ row, other }: RowPair) => isSameLabel(row, other)
  return {
    conflicts: oncePerRow(pairs.filter((pair) => !isCopy(pair))),
    copies: oncePerRow(pairs.filter(isCopy)),
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
