import type { EncoderInput } from '../lib/manifests/encoder-input.ts'
import { fromWireError, type JobMode, type JobResult, type WireError } from '../runtime/protocol.ts'
import type { Item } from './item.ts'
import type { Queueable } from './queue.ts'
import type { CachedRow } from './result-cache.ts'
import { Rows } from './rows.ts'
import type { EncodedBatch, EncodeOptions, Projection } from './types.ts'

/** One `encode` call on its way: the items that it waits for, and the rows that have come back. */
export class EncodeRequest implements Queueable<EncodeRequest> {
  readonly inputs: readonly EncoderInput[]
  readonly mode: JobMode
  /** What it waits for, in the order in which its own should run. */
  readonly items: Item<EncodeRequest>[] = []
  readonly enqueuedAt = performance.now()
  readonly timeoutMs: number | undefined
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
  ) {
    this.inputs = inputs
    this.timeoutMs = options.timeoutMs
    this.mode = {
      prompt: options.prompt ?? '',
      truncate: options.truncate,
      truncationDirection: options.truncationDirection,
      normalize: options.normalize,
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
