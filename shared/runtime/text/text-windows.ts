import { normalizeRows } from '../job-output.ts'
import type { JobMode } from '../protocol.ts'

/** The rows of a long text, one for each of its windows, and what has come of them. */
interface LongText {
  readonly rows: readonly number[]
  /** Shape [rows, dimension]. */
  readonly vectors: Float32Array
  /** Shape [rows]: tokens of each. */
  readonly weights: readonly number[]
}

/**
 * The token ids of the texts of a job. A text that is read in windows has a row for each, numbered after all texts; its
 * own row is where the vectors of its windows come together.
 */
export class TextRows {
  /** Token ids by row. */
  readonly ids: (readonly number[])[]
  readonly #dimension: number
  readonly #long = new Map<number, LongText>()
  readonly #owners = new Map<number, { readonly text: number; readonly at: number }>()

  constructor(texts: number, dimension: number) {
    this.ids = Array.from({ length: texts }, () => [])
    this.#dimension = dimension
  }

  /** Takes the windows of a text; a single one is the text's own row. */
  set(text: number, windows: readonly (readonly number[])[]): void {
    const [first = [], ...more] = windows
    if (more.length === 0) {
      this.ids[text] = first
      return
    }
    const rows = windows.map((ids, at) => {
      const row = this.ids.push(ids) - 1
      this.#owners.set(row, { text, at })
      return row
    })
    const vectors = new Float32Array(rows.length * this.#dimension)
    this.#long.set(text, { rows, vectors, weights: windows.map(({ length }) => length) })
  }

  /** The rows to run for a text. */
  rowsOf(text: number): readonly number[] {
    return this.#long.get(text)?.rows ?? [text]
  }

  /** The text that a row belongs to. */
  textOf(row: number): number {
    return this.#owners.get(row)?.text ?? row
  }

  /** Keeps the vectors of windows, shape [rows, dimension]. */
  keep(rows: readonly number[], vectors: Float32Array): void {
    if (this.#long.size === 0) return
    for (const [place, row] of rows.entries()) {
      const owner = this.#owners.get(row)
      if (owner === undefined) continue
      const vector = vectors.subarray(place * this.#dimension, (place + 1) * this.#dimension)
      this.#long.get(owner.text)!.vectors.set(vector, owner.at * this.#dimension)
    }
  }

  /** Hands on the vectors of rows that are texts of their own. */
  handOn(
    rows: readonly number[],
    vectors: Float32Array,
    take: (texts: readonly number[], vectors: Float32Array) => void,
  ): void {
    if (this.#long.size === 0) {
      take(rows, vectors)
      return
    }
    for (const [place, row] of rows.entries()) {
      if (this.#owners.has(row)) continue
      take([row], vectors.subarray(place * this.#dimension, (place + 1) * this.#dimension))
    }
  }

  /** The vector of a text that is read in windows; null for one that is not. */
  combine(text: number, mode: Pick<JobMode, 'windows' | 'normalize'>): Float32Array | null {
    const long = this.#long.get(text)
    if (long === undefined) return null
    const combined = mode.windows === 'max' ? this.#largest(long) : this.#mean(long)
    return mode.normalize ? normalizeRows(combined, this.#dimension) : combined
  }

  #mean({ vectors, weights }: LongText): Float32Array {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const sums = new Float64Array(this.#dimension)
    for (const [at, weight] of weights.entries()) {
      for (let d = 0; d < this.#dimension; d++) {
        sums[d]! += (vectors[at * this.#dimension + d]! * weight) / total
      }
    }
    return Float32Array.from(sums)
  }

  #largest({ vectors, rows }: LongText): Float32Array {
    const largest = vectors.slice(0, this.#dimension)
    for (let at = 1; at < rows.length; at++) {
      for (let d = 0; d < this.#dimension; d++) {
        largest[d] = Math.max(largest[d]!, vectors[at * this.#dimension + d]!)
      }
    }
    return largest
  }
}
