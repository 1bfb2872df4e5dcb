import type { NearestRows } from '../lib/maths/matrix-kernels.ts'
import type { Job, JobResult, MemoryNeighbours, ProjectionScores, WireError } from './protocol.ts'

/** The result of a job while it fills. */
export class JobOutput {
  readonly tokens: Uint32Array
  readonly truncated: Uint8Array
  readonly norms: Float32Array
  readonly #dimension: number
  readonly #vectors: Float32Array
  readonly #scores = new Map<number, ProjectionScores>()
  readonly #neighbours = new Map<number, MemoryNeighbours>()
  readonly #failures = new Map<number, WireError>()

  constructor(job: Job, dimension: number) {
    this.#dimension = dimension
    this.tokens = new Uint32Array(job.inputs.length)
    this.truncated = new Uint8Array(job.inputs.length)
    this.norms = new Float32Array(job.inputs.length).fill(1)
    this.#vectors = new Float32Array(job.inputs.length * dimension)
  }

  fail(index: number, error: WireError): void {
    this.#failures.set(index, error)
  }

  hasFailed(index: number): boolean {
    return this.#failures.has(index)
  }

  setVectors(members: readonly number[], vectors: Float32Array): void {
    copyRows(this.#vectors, vectors, members, this.#dimension)
  }

  setScores(
    projection: number,
    columns: number,
    members: readonly number[],
    scores: Float32Array,
  ): void {
    let target = this.#scores.get(projection)
    if (!target) {
      const values = new Float32Array(this.tokens.length * columns)
      target = { projection, columns, values }
      this.#scores.set(projection, target)
    }
    copyRows(target.values, scores, members, columns)
  }

  setNeighbours(memory: number, members: readonly number[], found: NearestRows): void {
    const { k } = found
    let target = this.#neighbours.get(memory)
    if (!target) {
      const size = this.tokens.length * k
      const similarities = new Float32Array(size)
      target = { memory, k, similarities, indices: new Int32Array(size) }
      this.#neighbours.set(memory, target)
    }
    copyRows(target.similarities, found.similarities, members, k)
    copyRows(target.indices, found.indices, members, k)
  }

  finish(tokenizeMs: number, runMs: number): JobResult {
    return {
      vectors: this.#vectors,
      tokens: this.tokens,
      truncated: this.truncated,
      norms: this.norms,
      scores: [...this.#scores.values()],
      neighbours: [...this.#neighbours.values()],
      failures: Array.from(this.#failures, ([index, error]) => ({ index, error })),
      tokenizeMs,
      runMs,
    }
  }
}

function copyRows<T extends Float32Array | Int32Array>(
  target: T,
  source: T,
  members: readonly number[],
  size: number,
): void {
  members.forEach((member, row) => {
    target.set(source.subarray(row * size, (row + 1) * size), member * size)
  })
}
