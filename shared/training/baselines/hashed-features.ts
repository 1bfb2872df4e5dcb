/** Features of texts that hold something: indices ascending within a row, values of unit length by row. */
export interface SparseRows {
  /** Where each row begins, shape [rows + 1]. */
  readonly starts: Int32Array
  readonly indices: Int32Array
  readonly values: Float32Array
}

/** The features of a text before they are weighed: how often each occurs. */
interface Counted {
  readonly indices: Int32Array
  readonly counts: Float32Array
}

/** Counts the features of a text, hashed to `features` numbers. */
export type CountFeatures = (text: string, features: number) => Counted

/** How much of a text is looked at, in characters. */
const MAX_LENGTH = 1_000
const SHORTEST_PIECE = 2
const LONGEST_PIECE = 4

const WORD = /[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]+/gu

/** Weighs features by how rare they are among the texts that it was made of, and hashes them to so many. */
export interface FeatureHasher {
  /** Rows of weighed features; unknown features count as the rarest. */
  transform(texts: readonly string[]): SparseRows
}

/**
 * Words, pairs of words and pieces of 2 to 4 characters within words, hashed to `features` numbers, weighed by
 * (1 + ln count) · (1 + ln((1 + n) / (1 + texts with it))), as scikit-learn does with `sublinear_tf`.
 * @param features a power of two
 */
export function createFeatureHasher(
  texts: readonly string[],
  features: number,
  count: CountFeatures = countFeatures,
): FeatureHasher {
  const found = new Uint32Array(features)
  for (const text of texts) for (const index of count(text, features).indices) found[index]!++
  const weights = new Float32Array(features)
  for (let i = 0; i < features; i++) {
    weights[i] = 1 + Math.log((1 + texts.length) / (1 + found[i]!))
  }
  return {
    transform: (rows) =>
      weigh(
        rows.map((text) => count(text, features)),
        weights,
      ),
  }
}

/** Remembers what it has counted: for few texts of which features are taken again and again. */
export function countFeaturesOnce(): CountFeatures {
  const known = new Map<string, Counted>()
  return (text, features) => {
    const key = `${features} ${text}`
    const counted = known.get(key) ?? countFeatures(text, features)
    known.set(key, counted)
    return counted
  }
}

function weigh(rows: readonly Counted[], weights: Float32Array): SparseRows {
  const starts = new Int32Array(rows.length + 1)
  rows.forEach(({ indices }, row) => {
    starts[row + 1] = starts[row]! + indices.length
  })
  const indices = new Int32Array(starts[rows.length]!)
  const values = new Float32Array(indices.length)
  rows.forEach((row, at) => {
    indices.set(row.indices, starts[at])
    let squares = 0
    const weighed = row.indices.reduce((all, index, i) => {
      const value = (1 + Math.log(row.counts[i]!)) * weights[index]!
      squares += value * value
      all[i] = value
      return all
    }, new Float32Array(row.indices.length))
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0
    for (const [i, value] of weighed.entries()) values[starts[at]! + i] = value * scale
  })
  return { starts, indices, values }
}

function countFeatures(text: string, features: number): Counted {
  const counts = new Map<number, number>()
  const mask = features - 1
  const add = (hash: number): void => {
    const index = (hash ^ (hash >>> 15)) & mask
    counts.set(index, (counts.get(index) ?? 0) + 1)
  }
  let before = ''
  for (const [word] of text.slice(0, MAX_LENGTH).normalize('NFKC').toLowerCase().matchAll(WORD)) {
    add(hashOf(word, 1))
    if (before !== '') add(hashOf(`${before} ${word}`, 2))
    before = word
    const padded = Array.from(` ${word} `)
    for (let from = 0; from + SHORTEST_PIECE <= padded.length; from++) {
      let piece = padded[from]!
      const end = Math.min(padded.length, from + LONGEST_PIECE)
      for (let at = from + 1; at < end; at++) {
        piece += padded[at]!
        add(hashOf(piece, 3))
      }
    }
  }
  const indices = Int32Array.from(counts.keys()).sort()
  return { indices, counts: Float32Array.from(indices, (index) => counts.get(index)!) }
}

/** FNV-1a over UTF-16 units, with a kind of its own for words, pairs and pieces. */
function hashOf(text: string, kind: number): number {
  let hash = 0x811c9dc5 ^ kind
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}
