import { EspalierError } from '../lib/errors.ts'
import type { NearestRows } from '../lib/matrix-kernels.ts'
import type { JobMode, JobResult, WireError } from '../runtime/protocol.ts'
import { estimateTokens } from './plan.ts'
import type { Queueable, Taken } from './queue.ts'
import type { EncodedBatch, EncodeOptions, Projection } from './types.ts'

/** What bounds a request, and the width of its rows. */
export interface RequestShape {
  readonly dimension: number
  /** The encoder's own length, special tokens included. */
  readonly maxTokens: number
  /** Most UTF-8 bytes of one input. */
  readonly maxTextBytes: number
}

/** Where the inputs of one request lie in a job. */
export interface JobPart extends Taken<EncodeRequest> {
  /** Row of the part's first input in the job. */
  readonly row: number
}

/** One `encode` call on its way: the inputs that wait, and the rows that have come back. */
export class EncodeRequest implements Queueable {
  readonly inputs: readonly string[]
  readonly mode: JobMode
  /** Positions of the inputs, longest first: neighbours in a job are of near-equal length. */
  readonly order: Uint32Array
  readonly estimates: Uint32Array
  readonly tokens: number
  readonly enqueuedAt = performance.now()
  /** Settles once, with all rows or the first failure. */
  readonly result: Promise<EncodedBatch>
  next = 0
  readonly #rows: Rows
  readonly #onProgress: ((done: number) => void) | undefined
  #resolve: (batch: EncodedBatch) => void = () => {}
  #reject: (error: Error) => void = () => {}
  #done = 0
  #settled = false

  /** @throws EspalierError `input_too_large` naming the input */
  constructor(
    inputs: readonly string[],
    options: EncodeOptions,
    projection: Projection | null,
    shape: RequestShape,
  ) {
    this.inputs = inputs
    this.mode = {
      prompt: options.prompt ?? '',
      truncate: options.truncate,
      truncationDirection: options.truncationDirection,
      normalize: options.normalize,
      projection: projection?.id ?? 0,
      memories: projection ? (options.search ?? []) : [],
    }
    const estimates = measureInputs(inputs, this.mode.prompt, shape)
    this.order = Uint32Array.from(inputs.keys())
    this.order.sort((a, b) => (estimates[b] as number) - (estimates[a] as number) || a - b)
    this.estimates = this.order.map((index) => estimates[index] as number)
    this.tokens = estimates.reduce((sum, tokens) => sum + tokens, 0)
    this.#rows = new Rows(inputs.length, shape.dimension, projection, this.mode.memories)
    this.#onProgress = options.onProgress
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get settled(): boolean {
    return this.#settled
  }

  /** The answer to no inputs at all. */
  emptyResult(): EncodedBatch {
    return this.#rows.finish()
  }

  fail(error: Error): void {
    this.#settled = true
    this.#reject(error)
  }

  /** Notes that a part has left the queue. */
  leftQueue(now: number): void {
    this.#rows.queueMs = now - this.enqueuedAt
  }

  /** Takes over the rows of a part; `share` of the job's time is put down to it. */
  deliver({ from, count, row }: JobPart, result: JobResult, share: number): void {
    if (this.#settled) return
    const failure = result.failures.find(({ index }) => index >= row && index < row + count)
    if (failure) {
      const index = this.order[from + failure.index - row] as number
      this.fail(inputError(index, failure.error))
      return
    }
    this.#rows.copy(this.order.subarray(from, from + count), result, row)
    this.#rows.tokenizeMs += result.tokenizeMs * share
    this.#rows.runMs += result.runMs * share
    this.#done += count
    this.#onProgress?.(this.#done)
    if (this.#done < this.inputs.length) return
    this.#settled = true
    this.#resolve(this.#rows.finish())
  }
}

/** The answer while it fills. */
class Rows {
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

  /** Large arrays exist only once a part is back, so that waiting requests stay small. */
  copy(positions: Uint32Array, result: JobResult, row: number): void {
    const inputs = this.#tokens.length
    this.#vectors ??= new Float32Array(inputs * this.#dimension)
    positions.forEach((position, i) => {
      this.#tokens[position] = result.tokens[row + i] as number
      this.#truncated[position] = result.truncated[row + i] as number
    })
    copyRows(this.#vectors, positions, result.vectors, row, this.#dimension)
    const { id, columns } = this.#projection ?? { id: 0, columns: 0 }
    const scores = result.scores.find(({ projection }) => projection === id)
    if (!scores) return
    this.#scores ??= new Float32Array(inputs * columns)
    copyRows(this.#scores, positions, scores.values, row, columns)
    for (const memory of this.#memories) this.#copyNeighbours(memory, positions, result, row)
  }

  #copyNeighbours(id: number, positions: Uint32Array, result: JobResult, row: number): void {
    const source = result.neighbours.find(({ memory }) => memory === id)
    if (!source) return
    const { k } = source
    let target = this.#neighbours.get(id)
    if (!target) {
      const size = this.#tokens.length * k
      target = { similarities: new Float32Array(size), indices: new Int32Array(size), k }
      this.#neighbours.set(id, target)
    }
    copyRows(target.similarities, positions, source.similarities, row, k)
    copyRows(target.indices, positions, source.indices, row, k)
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
}

function copyRows<T extends Float32Array | Int32Array>(
  target: T,
  positions: Uint32Array,
  source: T,
  row: number,
  width: number,
): void {
  positions.forEach((position, i) => {
    const from = (row + i) * width
    target.set(source.subarray(from, from + width), position * width)
  })
}

function measureInputs(
  inputs: readonly string[],
  prompt: string,
  { maxTokens, maxTextBytes }: RequestShape,
): Uint32Array {
  const promptBytes = Buffer.byteLength(prompt)
  return Uint32Array.from(inputs, (text, index) => {
    const bytes = Buffer.byteLength(text)
    if (bytes > maxTextBytes) {
      const param = `inputs[${index}]`
      const message = `${param} has ${bytes} bytes of text, at most ${maxTextBytes} are accepted`
      throw new EspalierError('input_too_large', message, { param })
    }
    return estimateTokens(promptBytes + bytes, maxTokens)
  })
}

function inputError(index: number, { code, message }: WireError): EspalierError {
  const param = `inputs[${index}]`
  return new EspalierError(code, `${param} ${message}`, { param })
}
