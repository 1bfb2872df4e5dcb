/** What turns scores into probabilities: exclusive labels, or independent ones. */
export type Activation = 'softmax' | 'sigmoid'

/** Training embeddings kept for k-nearest-neighbour votes; row i is `embeddings[i] · scales[i]`. */
export interface NeighbourMemory {
  /** Shape [rows, dimension]. */
  readonly embeddings: Int8Array
  /** Shape [rows]. */
  readonly scales: Float32Array
  /** Shape [rows]: index of each row's label. */
  readonly labels: Int32Array
  /** Neighbours that vote. */
  readonly k: number
  /** A neighbour of similarity s weighs exp(s / temperature). */
  readonly temperature: number
  /** Share of the votes in the answer: p = (1 - weight) softmax + weight votes. */
  readonly weight: number
}

/**
 * Out-of-distribution detector: relative Mahalanobis distance in the space that separates the classes.
 * y = projection · x + offset; distance = min over groups |y - mean|² - Σ background_j y_j².
 */
export interface Detector {
  /** Shape [rank, dimension]. */
  readonly projection: Float32Array
  /** Shape [rank]. */
  readonly offset: Float32Array
  /** Shape [groups, rank]. */
  readonly means: Float32Array
  /** Shape [rank]. */
  readonly background: Float32Array
  /** Distances above this are out of distribution. */
  readonly threshold: number
}

/** How the texts of a head are read that are longer than its encoder reads. */
export interface TextReading {
  /** The end that is cut away. */
  readonly truncationDirection: 'left' | 'right'
  /** How the vectors of a text's windows are put together; null where texts are cut instead. */
  readonly windows: 'mean' | 'max' | null
}

/** The reading that is asked for where a head has one of its own. */
export type ChooseReading = (own: TextReading | undefined) => TextReading | undefined

/** How heads read that say nothing of it. */
export const USUAL_READING: TextReading = { truncationDirection: 'right', windows: null }

/** A reading as encoders take it. */
export function encodeAs({ truncationDirection, windows }: TextReading = USUAL_READING) {
  return { truncate: true, truncationDirection, ...(windows !== null && { windows }) } as const
}

/** True for readings that make the same of every text. */
export function isSameReading(
  a: TextReading = USUAL_READING,
  b: TextReading = USUAL_READING,
): boolean {
  return a.truncationDirection === b.truncationDirection && a.windows === b.windows
}

/**
 * A classifier on L2-normalised embeddings, or on pooled ones where it is a network's own output layer: the one
 * form that every training method exports to.
 */
export interface Head {
  /** The encoder family whose vectors it was trained on. */
  readonly family: string
  readonly dimension: number
  /** Set for a head on vectors as pooled, before they are normalised. */
  readonly reads?: 'pooled' | undefined
  /** Set where it was trained on long texts read otherwise than `USUAL_READING`. */
  readonly reading?: TextReading | undefined
  readonly labels: readonly string[]
  readonly activation: Activation
  /** Shape [labels, dimension]. */
  readonly weights: Float32Array
  /** Shape [labels]. */
  readonly bias: Float32Array
  /** Scores are divided by it before the activation. */
  readonly temperature: number
  readonly memory: NeighbourMemory | null
  /** Added to log-probabilities before they are normalised again, per label; softmax only. */
  readonly adjustment: Float32Array | null
  /** The probability from which a label holds, per label; sigmoid only. */
  readonly thresholds: Float32Array | null
  readonly detector: Detector | null
}

/** Numbers that the detector needs of each row. */
export function detectorRank(head: Head): number {
  return head.detector?.offset.length ?? 0
}

/** Columns that the head takes in a stack: one per label, and the detector's coordinates. */
export function countColumns(head: Head): number {
  return head.labels.length + detectorRank(head)
}

/** Bytes that each worker holds to search the head's memory: the rows in float32. */
export function searchBytes({ memory }: Head): number {
  return memory ? memory.embeddings.length * Float32Array.BYTES_PER_ELEMENT : 0
}

/** Bytes that the head holds in memory. */
export function headBytes(head: Head): number {
  const { memory, detector } = head
  const arrays = [head.weights, head.bias, head.adjustment, head.thresholds]
  if (memory) arrays.push(memory.scales)
  if (detector) {
    arrays.push(detector.projection, detector.offset, detector.means, detector.background)
  }
  let bytes = memory ? memory.embeddings.byteLength + memory.labels.byteLength : 0
  for (const array of arrays) bytes += array?.byteLength ?? 0
  for (const label of head.labels) bytes += 2 * label.length + 16
  return bytes
}
