import { detectorRank, type Head } from './head.ts'

/** How far a row is from the groups of one detector, from its coordinates y [rank]. */
export interface DistanceTerm {
  /** Shape [groups, rank]. */
  readonly means: Float32Array
  /** Shape [rank]. */
  readonly background: Float32Array
}

/** Where one head's numbers lie in a row of scores. */
export interface HeadPlace {
  /** Column of its first label. */
  readonly offset: number
  /** Column of its out-of-distribution distance; null without a detector. */
  readonly distance: number | null
}

/**
 * Several heads side by side. One product makes `width` numbers of each embedding: a score for every label of
 * every head, then the coordinates of their detectors in turn; each detector's coordinates become one distance.
 */
export interface StackedHeads {
  /** Scores of one row: the labels of all heads, then a distance for each detector. */
  readonly columns: number
  /** Shape [width, dimension], row-major; in shared memory, so that workers take it without a copy. */
  readonly weights: Float32Array
  /** Shape [width]. */
  readonly bias: Float32Array
  /** Shape [width]: 1 where a product reads pooled vectors; null where none does. */
  readonly pooled: Uint8Array | null
  readonly distances: readonly DistanceTerm[]
  /** In the order of the heads. */
  readonly places: readonly HeadPlace[]
}

/** Puts all heads into one matrix, so that one product serves them all. */
export function stackHeads(heads: readonly Head[]): StackedHeads {
  const labels = heads.reduce((sum, head) => sum + head.labels.length, 0)
  const width = heads.reduce((sum, head) => sum + detectorRank(head), labels)
  const dimension = heads[0]?.dimension ?? 0
  const weights = new Float32Array(new SharedArrayBuffer(4 * width * dimension))
  const bias = new Float32Array(width)
  const pooled = heads.some(({ reads }) => reads === 'pooled') ? new Uint8Array(width) : null
  const distances: DistanceTerm[] = []
  const places: HeadPlace[] = []
  const put = (source: Float32Array, offsets: Float32Array, first: number): void => {
    weights.set(source, first * dimension)
    bias.set(offsets, first)
  }
  let nextLabel = 0
  let nextCoordinate = labels
  for (const head of heads) {
    const { detector } = head
    put(head.weights, head.bias, nextLabel)
    if (head.reads === 'pooled') pooled?.fill(1, nextLabel, nextLabel + head.labels.length)
    places.push({ offset: nextLabel, distance: detector ? labels + distances.length : null })
    nextLabel += head.labels.length
    if (!detector) continue
    put(detector.projection, detector.offset, nextCoordinate)
    nextCoordinate += detectorRank(head)
    distances.push({ means: detector.means, background: detector.background })
  }
  return { columns: labels + distances.length, weights, bias, pooled, distances, places }
}

/** Turns products of shape [rows, width] into scores of shape [rows, columns]; servers do it in their graph. */
export function measureDistances(
  { columns, bias, distances }: Pick<StackedHeads, 'columns' | 'bias' | 'distances'>,
  products: Float32Array,
): Float32Array {
  if (distances.length === 0) return products
  const width = bias.length
  const rows = products.length / width
  const labels = columns - distances.length
  const scores = new Float32Array(rows * columns)
  for (let r = 0; r < rows; r++) {
    const row = products.subarray(r * width, (r + 1) * width)
    scores.set(row.subarray(0, labels), r * columns)
    let from = labels
    distances.forEach((term, index) => {
      const to = from + term.background.length
      scores[r * columns + labels + index] = relativeDistance(term, row.subarray(from, to))
      from = to
    })
  }
  return scores
}

/** How far a row with the coordinates y [rank] is from the training data: min |y - mean|² - Σ background y². */
export function relativeDistance(
  detector: { readonly means: ArrayLike<number>; readonly background: ArrayLike<number> },
  y: ArrayLike<number>,
): number {
  const { means, background } = detector
  const rank = background.length
  let shared = 0
  for (let j = 0; j < rank; j++) shared += background[j]! * y[j]! * y[j]!
  let nearest = Infinity
  for (let from = 0; from < means.length; from += rank) {
    let sum = 0
    for (let j = 0; j < rank; j++) {
      const difference = y[j]! - means[from + j]!
      sum += difference * difference
    }
    nearest = Math.min(nearest, sum)
  }
  return nearest - shared
}
