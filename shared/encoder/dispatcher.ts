import type { GroupingLimits } from '../runtime/grouping.ts'
import { fromWireError, type JobResult, type WireError } from '../runtime/protocol.ts'
import type { Pool } from '../runtime/workers/pool.ts'
import { Admission, type AdmissionLimits } from './admission.ts'
import { type Collected, collectItems, runItems } from './dispatch-items.ts'
import type { InputBounds, InputKind } from './input-kind.ts'
import { type Item, ItemTable } from './item.ts'
import { PixelBudget } from './pixel-budget.ts'
import { jobBudget, jobLimit } from './plan.ts'
import { Quarantine, stuckError } from './quarantine.ts'
import { FairQueue } from './queue.ts'
import type { EncodeRequest } from './request.ts'
import type { ResultCache } from './result-cache.ts'

/** Bounds of an encoder's queue and inputs. */
export interface EncoderLimits extends AdmissionLimits, InputBounds {
  /** Shared by the encoders of a process. @default unbounded */
  readonly decoding?: PixelBudget | undefined
  /** Longest time of a small run, milliseconds; a larger one has more in proportion. @default 60,000 */
  readonly runTimeoutMs?: number | undefined
  /** Longest time in which a worker loads the encoder, milliseconds. @default 300,000 */
  readonly loadTimeoutMs?: number | undefined
}

/** What a dispatcher works with. */
export interface DispatcherOptions {
  readonly pool: Pool
  readonly grouping: GroupingLimits
  readonly limits: EncoderLimits
  readonly dimension: number
  readonly kind: InputKind
  readonly fingerprint: string
  readonly cache: ResultCache | null
  /** Jobs of several runs, for callers that hand over thousands of texts and wait for all of them. */
  readonly longJobs: boolean
  /** Milliseconds that never run backwards. @default those of this machine */
  readonly now?: (() => number) | undefined
}

/**
 * The way of every input from its request to a worker and back: admitted or refused at once, shared with
 * whoever asks for the same, planned into a job only when a worker can take one.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #queue: FairQueue<EncodeRequest>
  readonly #table = new ItemTable<EncodeRequest>()
  readonly #admission: Admission
  readonly #quarantine = new Quarantine()
  readonly #jobTokens: number
  /** Requests that are not settled, in order of arrival. */
  readonly #requests = new Set<EncodeRequest>()
  readonly #decoding: PixelBudget
  /** A job that waits until its images may be decoded; nothing passes it. */
  #held: Item<EncodeRequest>[] | null = null
  readonly #onRoom = () => this.dispatch()
  /** Estimated tokens of what workers have. */
  #runningTokens = 0
  #sharedInputs = 0
  readonly #now: () => number

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#queue = new FairQueue(options.grouping)
    this.#admission = new Admission(options.limits)
    this.#now = options.now ?? (() => performance.now())
    this.#decoding = options.limits.decoding ?? new PixelBudget(Number.POSITIVE_INFINITY)
    this.#jobTokens = jobLimit(options.grouping.maxTokens, options.longJobs)
  }

  get queuedInputs(): number {
    return this.#queue.items
  }

  get queuedTokens(): number {
    return this.#queue.tokens
  }

  /** Inputs that needed no run of their own, because the same one was on its way. */
  get sharedInputs(): number {
    return this.#sharedInputs
  }

  /**
   * Accepts a request; its `result` settles later.
   * @throws EspalierError `overloaded`, `input_too_large`, `image_too_large`, `invalid_image`, `encoder_stuck`
   */
  submit(request: EncodeRequest): void {
    const { kind, cache, fingerprint, limits } = this.#options
    const collected = collectItems(request, {
      table: this.#table,
      kind,
      cache,
      fingerprint,
      maxPixels: limits.maxRequestPixels,
      quarantine: this.#quarantine,
      now: performance.now(),
    })
    const waitsForOthers = collected.isWaiting && request.timeoutMs !== undefined
    if (collected.newTokens > 0 || waitsForOthers) this.#admit(request, collected)
    collected.commit()
    this.#sharedInputs += collected.sharedInputs
    this.#requests.add(request)
    this.#queue.add(request)
    this.#advance(request)
    this.dispatch()
  }

  /** @throws EspalierError `overloaded` */
  #admit({ timeoutMs, caller }: EncodeRequest, collected: Collected): void {
    const { newTokens: tokens, newBytes: bytes, lastTokens } = collected
    this.#admission.check(
      { tokens, bytes, lastTokens, timeoutMs },
      {
        queuedTokens: this.#queue.tokens,
        queuedBytes: this.#queue.bytes,
        runningTokens: this.#runningTokens,
        workers: this.#options.pool.size,
        view: this.#queue.view(caller, tokens),
      },
    )
  }

  /** Settles a request with an error and takes what only it asked for out of the queue. */
  abandon(request: EncodeRequest, error: Error): void {
    request.fail(error)
    this.#requests.delete(request)
    for (const item of request.items) {
      if (item.state === 'gone') continue
      const left = item.waiters.filter((waiter) => waiter.request !== request)
      item.waiters.splice(0, item.waiters.length, ...left)
      if (left.length > 0 || item.state !== 'waiting') continue
      this.#queue.remove(item)
      this.#table.remove(item)
    }
  }

  /**
   * Hands jobs to workers that are free. A busy one is given the next job ahead only where the queue holds
   * a full job for everybody: planned later, a job holds what has arrived since.
   */
  dispatch(): void {
    const { pool } = this.#options
    const jobTokens = this.#jobTokens
    const now = this.#now()
    this.#expire(now)
    while (this.#held !== null || this.#queue.items > 0) {
      const plenty = this.#queue.tokens >= pool.size * jobTokens
      if (pool.free === 0 && pool.size > 0 && !(plenty && pool.spare > 0)) return
      const items =
        this.#held ?? this.#queue.take(jobBudget(this.#queue.tokens, pool.size, jobTokens))
      // A worker decodes the images of a job one after another.
      const pixels = items.reduce((most, item) => Math.max(most, item.pixels), 0)
      const isRoom = this.#decoding.take(pixels, this.#onRoom)
      this.#held = isRoom ? null : items
      if (!isRoom) return
      for (const { waiters } of items) {
        for (const { request } of waiters) request.leftQueue(now)
      }
      void this.#run(items, pixels)
    }
  }

  async #run(items: readonly Item<EncodeRequest>[], pixels: number): Promise<void> {
    const tokens = sumTokens(items)
    this.#runningTokens += tokens
    try {
      await runItems(this.#options.pool, items, this.#options.dimension, this)
    } finally {
      this.#runningTokens -= tokens
      this.#decoding.give(pixels)
    }
  }

  done(items: readonly Item<EncodeRequest>[], result: JobResult): void {
    const touched = new Set<EncodeRequest>()
    const total = result.tokens.reduce((sum, tokens) => sum + tokens, 0)
    const workerMs = result.tokenizeMs + result.runMs
    const isFull = this.#queue.items > 0
    this.#admission.rate.finished(sumTokens(items), workerMs, this.#now(), isFull)
    this.#options.kind.learn(items, result)
    const failures = new Map(result.failures.map(({ index, error }) => [index, error]))
    for (const [row, item] of items.entries()) {
      this.#table.remove(item)
      item.state = 'gone'
      const error = failures.get(row)
      if (error) {
        this.#failInput(item, error)
        continue
      }
      if (item.known) {
        result.tokens[row] = item.known.tokens
        result.truncated[row] = item.known.truncated
      } else this.#remember(item, result, row)
      const share = total > 0 ? (result.tokens[row] as number) / total : 0
      for (const { request, index } of item.waiters) {
        request.deliver(index, result, row, share)
        touched.add(request)
      }
    }
    for (const request of touched) this.#advance(request)
  }

  failed(items: readonly Item<EncodeRequest>[], error: Error): void {
    for (const item of items) {
      this.#table.remove(item)
      item.state = 'gone'
      for (const { request } of [...item.waiters]) this.abandon(request, error)
    }
  }

  stuck(items: readonly Item<EncodeRequest>[], cause: Error): void {
    for (const item of items) {
      this.#quarantine.add(item.lane.mode.prompt, item.key, performance.now())
      this.#table.remove(item)
      item.state = 'gone'
      for (const { request, index } of [...item.waiters]) {
        this.abandon(request, stuckError(index, cause))
      }
    }
  }

  #advance(request: EncodeRequest): void {
    request.advance()
    if (request.settled) this.#requests.delete(request)
  }

  #failInput(item: Item<EncodeRequest>, error: WireError): void {
    for (const { request, index } of [...item.waiters]) {
      request.failInput(index, error)
      this.abandon(request, fromWireError(error))
    }
  }

  /** Requests that nothing has been done for within the longest wait are refused after all. */
  #expire(now: number): void {
    const { pool, limits } = this.#options
    for (const request of this.#requests) {
      if (request.enqueuedAt >= now - limits.maxQueueWaitMs) return
      if (request.started) continue
      this.abandon(request, this.#admission.waitedTooLong(this.#queue.tokens, pool.size))
    }
  }

  #remember({ lane, key: input }: Item<EncodeRequest>, result: JobResult, row: number): void {
    const { cache, fingerprint, dimension } = this.#options
    if (!cache?.serves(lane.mode)) return
    const key = cache.keyOf(fingerprint, lane.mode, input)
    if (key === null) return
    cache.set(key, {
      vector: result.vectors.slice(row * dimension, (row + 1) * dimension),
      tokens: result.tokens[row] as number,
      truncated: result.truncated[row] as number,
      norm: result.norms[row] as number,
    })
  }
}

function sumTokens(items: readonly Item<EncodeRequest>[]): number {
  return items.reduce((sum, { tokens }) => sum + tokens, 0)
}
