import type { NearestRows } from '../lib/maths/matrix-kernels.ts'
import type {
  Job,
  JobMode,
  JobResult,
  KnownRows,
  MemoryNeighbours,
  ProjectionScores,
  WireError,
} from './protocol.ts'

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

  /** Takes the lengths of pooled vectors, shape [members, dimension]. */
  setNorms(members: readonly number[], pooled: Float32Array): void {
    members.forEach((member, row) => {
      let sum = 0
      const end = (row + 1) * this.#dimension
      for (let i = row * this.#dimension; i < end; i++) sum += (pooled[i] as number) ** 2
      this.norms[member] = Math.sqrt(sum)
    })
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

/** Rows of a job that share a graph run: same outputs, same projection, same memories. */
export interface Batch {
  readonly mode: JobMode
  readonly members: readonly number[]
}

/** How one input of a job is to be treated. */
export function modeAt(job: Job, index: number): JobMode {
  return job.modes[job.modeOf[index] as number] as JobMode
}

/** The inputs that have not failed yet, by how they run. */
export function splitByMode(job: Job, output: JobOutput): Batch[] {
  const batches = new Map<string, { mode: JobMode; members: number[] }>()
  for (let index = 0; index < job.inputs.length; index++) {
    if (output.hasFailed(index)) continue
    const mode = modeAt(job, index)
    const key = `${mode.normalize} ${mode.projection} ${mode.memories} ${mode.windows}`
    const batch = batches.get(key)
    if (batch) batch.members.push(index)
    else batches.set(key, { mode, members: [index] })
  }
  return [...batches.values()]
}

/** Puts the vectors that came with the job where the runs put theirs. */
export function takeKnown(
  { rows, vectors, norms }: KnownRows,
  { mode, members }: Batch,
  output: JobOutput,
  unit: UnitRows,
  dimension: number,
): void {
  const inBatch = new Set(members)
  rows.forEach((row, at) => {
    if (!inBatch.has(row)) return
    const vector = vectors.subarray(at * dimension, (at + 1) * dimension)
    output.setVectors([row], vector)
    output.norms[row] = norms[at] as number
    if (mode.projection !== 0) unit.set([row], vector, norms.subarray(at, at + 1))
  })
}

/** Unit vectors of some texts of a job, gathered from the runs that made them. */
export class UnitRows {
  /** Shape [members, dimension]. */
  readonly values: Float32Array
  /** Shape [members]: what the pooled vectors' lengths were; 1 where nobody knows. */
  readonly norms: Float32Array
  readonly #places = new Map<number, number>()
  readonly #dimension: number

  constructor(members: readonly number[], dimension: number) {
    this.#dimension = dimension
    members.forEach((member, place) => {
      this.#places.set(member, place)
    })
    this.values = new Float32Array(members.length * dimension)
    this.norms = new Float32Array(members.length).fill(1)
  }

  set(members: readonly number[], vectors: Float32Array, norms?: ArrayLike<number>): void {
    const size = this.#dimension
    members.forEach((member, row) => {
      const place = this.#places.get(member) as number
      this.values.set(vectors.subarray(row * size, (row + 1) * size), place * size)
      this.norms[place] = norms?.[row] ?? 1
    })
  }
}

/** Unit rows; a zero row stays zero. */
export function normalizeRows(matrix: Float32Array, dimension: number): Float32Array {
  const unit = new Float32Array(matrix.length)
  for (let from = 0; from < matrix.length; from += dimension) {
    let sum = 0
    for (let i = from; i < from + dimension; i++) sum += (matrix[i] as number) ** 2
    const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0
    for (let i = from; i < from + dimension; i++) unit[i] = (matrix[i] as number) * scale
  }
  return unit
}
