import type { EncoderInput } from '../lib/manifests/encoder-input.ts'
import type { NearestRows } from '../lib/maths/matrix-kernels.ts'
import { fromWireError, type JobMode, type JobResult, type WireError } from '../runtime/protocol.ts'
import type { Item } from './item.ts'
import type { Queueable, QueueCaller } from './queue.ts'
import type { CachedRow } from './result-cache.ts'
import type { EncodedBatch, EncodeOptions, Projection } from './types.ts'

/** One `encode` call on its way: the items that it waits for, and the rows that have come back. */
export class EncodeRequest implements Queueable<EncodeRequest> {
  readonly inputs: readonly EncoderInput[]
  readonly mode: JobMode
  /** What it waits for, in the order in which its own should run. */
  readonly items: Item<EncodeRequest>[] = []
  readonly enqueuedAt: number
  readonly timeoutMs: number | undefined
  readonly caller: QueueCaller | null
  /** Settles once, with all rows or the first failure. */
  readonly result: Promise<EncodedBatch>
  readonly #rows: Rows
  readonly #onProgress: ((done: number) => void) | undefined
  #resolve: (batch: EncodedBatch) => void = () => {}
  #reject: (error: Error) => void = () => {}
  #done = 0
  #started = false
  #settled = false

  constructor(
    inputs: readonly EncoderInput[],
    options: EncodeOptions,
    projection: Projection | null,
    dimension: number,
    now: number = performance.now(),
  ) {
    this.inputs = inputs
    this.enqueuedAt = now
    this.timeoutMs = options.timeoutMs
    this.caller = options.caller ?? null
    this.mode = {
      prompt: options.prompt ?? '',
      truncate: options.truncate,
      truncationDirection: options.truncationDirection,
      normalize: options.normalize,
      ...(options.windows && { windows: options.windows }),
      projection: projection?.id ?? 0,
      memories: projection ? (options.search ?? []) : [],
    }
    this.#rows = new Rows(inputs.length, dimension, projection, this.mode.memories)
    this.#onProgress = options.onProgress
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get settled(): boolean {
    return this.#settled
  }

  /** True once something that it waits for has left the queue. */
  get started(): boolean {
    return this.#started
  }

  fail(error: Error): void {
    if (this.#settled) return
    this.#settled = true
    this.#reject(error)
  }

  /** Fails because of one input. */
  failInput(index: number, error: WireError): void {
    this.fail(fromWireError({ ...error, index, param: undefined }))
  }

  /** Notes that an item has left the queue. */
  leftQueue(now: number): void {
    this.#started = true
    this.#rows.queueMs = now - this.enqueuedAt
  }

  /** Takes over the row of one input; `share` of the job's time is put down to it. */
  deliver(index: number, result: JobResult, row: number, share: number): void {
    this.#rows.copy(index, result, row)
    this.#rows.tokenizeMs += result.tokenizeMs * share
    this.#rows.runMs += result.runMs * share
    this.#done += 1
  }

  /** Takes over the row of one input from an earlier request. */
  recall(index: number, row: CachedRow): void {
    this.#rows.recall(index, row)
    this.#done += 1
  }

  /** Reports what has come so far, and settles when that is all. */
  advance(): void {
    if (this.#settled) return
    if (this.#done > 0) this.#onProgress?.(this.#done)
    if (this.#done < this.inputs.length) return
    this.#settled = true
    this.#resolve(this.#rows.finish())
  }
}

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
