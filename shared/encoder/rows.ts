import type { NearestRows } from '../lib/maths/matrix-kernels.ts'
import type { JobResult } from '../runtime/protocol.ts'
import type { CachedRow } from './result-cache.ts'
import type { EncodedBatch, Projection } from './types.ts'

/** The answer to a request while it fills. */
export class Rows {
  queueMs = 0
  tokenizeMs = 0
  runMs = 0
  readonly #dimension: number
  readonly #projection: Projection | null
  readonly #memories: readonly number[]
  readonly #neighbours = new Map<number, NearestRows>()
  readonly #tokens: Uint32Array
  readonly #truncated: Uint8Array
  #vectors: Float32Array | null = null
  #scores: Float32Array | null = null

  constructor(
    inputs: number,
    dimension: number,
    projection: Projection | null,
    memories: readonly number[],
  ) {
    this.#dimension = dimension
    this.#projection = projection
    this.#memories = memories
    this.#tokens = new Uint32Array(inputs)
    this.#truncated = new Uint8Array(inputs)
  }

  /** Fills input `index` with a row of a job. Large arrays exist from the first row on, not while waiting. */
  copy(index: number, result: JobResult, row: number): void {
    const inputs = this.#tokens.length
    this.#tokens[index] = result.tokens[row] as number
    this.#truncated[index] = result.truncated[row] as number
    this.#vectors ??= new Float32Array(inputs * this.#dimension)
    copyRow(this.#vectors, index, result.vectors, row, this.#dimension)
    const { id, columns } = this.#projection ?? { id: 0, columns: 0 }
    const scores = result.scores.find(({ projection }) => projection === id)
    if (!scores) return
    this.#scores ??= new Float32Array(inputs * columns)
    copyRow(this.#scores, index, scores.values, row, columns)
    for (const memory of this.#memories) this.#copyNeighbours(memory, index, result, row)
  }

  /** Fills input `index` with what an earlier request was answered. */
  recall(index: number, { vector, tokens, truncated }: CachedRow): void {
    this.#vectors ??= new Float32Array(this.#tokens.length * this.#dimension)
    this.#vectors.set(vector, index * this.#dimension)
    this.#tokens[index] = tokens
    this.#truncated[index] = truncated
  }

  finish(): EncodedBatch {
    return {
      vectors: this.#vectors ?? new Float32Array(0),
      dimension: this.#dimension,
      tokens: this.#tokens,
      truncated: this.#truncated,
      scores: this.#scores,
      projectionId: this.#projection?.id ?? 0,
      neighbours: this.#neighbours,
      timings: { queueMs: this.queueMs, tokenizeMs: this.tokenizeMs, runMs: this.runMs },
    }
  }

  #copyNeighbours(id: number, index: number, result: JobResult, row: number): void {
    const source = result.neighbours.find(({ memory }) => memory === id)
    if (!source) return
    const { k } = source
    let target = this.#neighbours.get(id)
    if (!target) {
      const size = this.#tokens.length * k
      target = { similarities: new Float32Array(size), indices: new Int32Array(size), k }
      this.#neighbours.set(id, target)
    }
    copyRow(target.similarities, index, source.similarities, row, k)
    copyRow(target.indices, index, source.indices, row, k)
  }
}

function copyRow<T extends Float32Array | Int32Array>(
  target: T,
  index: number,
  source: T,
  row: number,
  width: number,
): void {
  target.set(source.subarray(row * width, (row + 1) * width), index * width)
}
