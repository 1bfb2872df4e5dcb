import { EspalierError } from '../lib/errors.ts'

/** Weight of the newest job in the moving average of speed. */
const SMOOTHING = 0.1
const MAX_RETRY_SECONDS = 60

/** Bounds of the queue. */
export interface AdmissionLimits {
  /** Most estimated tokens that wait; a single larger request is let in when nothing else waits. */
  readonly maxQueueTokens: number
  /** Longest expected wait that is still accepted, milliseconds. */
  readonly maxQueueWaitMs: number
  /** Most bytes of inputs that wait, as `maxQueueTokens`. @default unbounded */
  readonly maxQueueBytes?: number | undefined
  /** Most pixels of the different images of one request. @default unbounded */
  readonly maxRequestPixels?: number | undefined
}

/** For jobs, which wait for the engine however long, and hand over a bounded number of inputs at a time. */
export const UNBOUNDED_QUEUE: AdmissionLimits = {
  maxQueueTokens: Number.POSITIVE_INFINITY,
  maxQueueWaitMs: Number.POSITIVE_INFINITY,
}

/** Decides who may wait, from the length of the queue and the speed at which it drains. */
export class Admission {
  readonly #limits: AdmissionLimits
  /** Tokens a millisecond of one worker; null before the first job. */
  #speed: number | null = null

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /**
   * Refuses at once what would wait too long, for the queue's bound or for the caller's.
   * @throws EspalierError `overloaded` with the seconds after which the queue should be shorter
   */
  check(
    queuedTokens: number,
    newTokens: number,
    workers: number,
    timeoutMs = Number.POSITIVE_INFINITY,
  ): void {
    if (queuedTokens === 0) return
    const waitMs = this.#waitMs(queuedTokens, workers)
    const fits = queuedTokens + newTokens <= this.#limits.maxQueueTokens
    if (fits && waitMs <= Math.min(this.#limits.maxQueueWaitMs, timeoutMs)) return
    throw this.overloaded(queuedTokens, workers)
  }

  /**
   * Refuses what would fill the memory.
   * @throws EspalierError `overloaded`
   */
  checkBytes(queuedBytes: number, newBytes: number): void {
    const { maxQueueBytes = Number.POSITIVE_INFINITY } = this.#limits
    if (queuedBytes === 0 || queuedBytes + newBytes <= maxQueueBytes) return
    const message = `the queue is full (${queuedBytes} bytes of inputs wait): try again shortly`
    throw new EspalierError('overloaded', message, { retryAfterSeconds: 1 })
  }

  /** The error for work that is refused, or that waited too long. */
  overloaded(queuedTokens: number, workers: number): EspalierError {
    const seconds = Math.ceil(this.#waitMs(queuedTokens, workers) / 1000)
    const retryAfterSeconds = Math.min(MAX_RETRY_SECONDS, Math.max(1, seconds))
    const message = `the queue is full (${queuedTokens} tokens wait): try again in ${retryAfterSeconds} s`
    return new EspalierError('overloaded', message, { retryAfterSeconds })
  }

  /** Learns from a finished job. */
  finished(tokens: number, ms: number): void {
    const speed = tokens / Math.max(ms, 0.1)
    this.#speed = this.#speed === null ? speed : this.#speed + SMOOTHING * (speed - this.#speed)
  }

  #waitMs(queuedTokens: number, workers: number): number {
    return this.#speed === null ? 0 : queuedTokens / (this.#speed * Math.max(1, workers))
  }
}
