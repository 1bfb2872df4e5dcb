import { EspalierError } from '../lib/errors.ts'
import { DrainRate } from './drain-rate.ts'
import type { QueueView } from './queue.ts'

const MAX_RETRY_SECONDS = 60
/** Part of a caller's patience that the estimate may take: speeds vary, and an answer is written after its run. */
const USABLE_PATIENCE = 0.7

/** Weight of the newest request in what is usual. */
const SMOOTHING = 0.02

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

/** What a request would add, and for how long it waits. */
export interface NewWork {
  readonly tokens: number
  readonly bytes: number
  /** Of which so many are of its last input, which runs last. */
  readonly lastTokens: number
  /** Milliseconds in which the answer must be there. */
  readonly timeoutMs?: number | undefined
}

/** What is before it. */
export interface Load {
  readonly queuedTokens: number
  readonly queuedBytes: number
  /** Tokens that workers have and have not finished. */
  readonly runningTokens: number
  readonly workers: number
  /** The queue as its caller meets it. */
  readonly view: QueueView
}

/**
 * Decides who may wait, from what is before a request and the speed at which it drains: by the bounds of the queue, and
 * by whether the request would be answered in its time. Whoever is let in should be.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly rate = new DrainRate()
  /** How many requests usually share the time of one caller. */
  #usualShares = 1

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /**
   * Refuses at once what would wait too long, for the queue's bounds or for the caller's.
   * @throws EspalierError `overloaded` with the seconds after which it would be let in
   */
  check(work: NewWork, load: Load): void {
    const { queuedTokens, queuedBytes, runningTokens, view } = load
    this.#usualShares += SMOOTHING * (view.shares - this.#usualShares)
    // Where nothing is before it, trying is the only way to learn how long it takes.
    if (queuedTokens + runningTokens === 0) return
    const {
      maxQueueTokens,
      maxQueueWaitMs,
      maxQueueBytes = Number.POSITIVE_INFINITY,
    } = this.#limits
    const perMs = this.rate.tokensPerMs(load.workers)
    const patienceMs = USABLE_PATIENCE * (work.timeoutMs ?? Number.POSITIVE_INFINITY)
    const overMs = this.#finishMs(work, load) - patienceMs
    if (queuedTokens === 0) {
      if (overMs > 0) throw this.#overloaded(queuedTokens, overMs)
      return
    }
    const waitMs = perMs === null ? 0 : view.ahead / perMs
    const overTokens = exceeds(queuedTokens, view.ownTokens, work.tokens, maxQueueTokens, view)
    const overBytes = exceeds(queuedBytes, view.ownBytes, work.bytes, maxQueueBytes, view)
    const late = Math.max(
      waitMs - maxQueueWaitMs,
      overMs,
      overTokens / (perMs ?? Number.POSITIVE_INFINITY),
      overBytes > 0 ? (waitMs * overBytes) / Math.max(1, queuedBytes) : 0,
    )
    if (late > 0 || overTokens > 0 || overBytes > 0) throw this.#overloaded(queuedTokens, late)
  }

  /** The error for a request that has waited as long as the queue lets any. */
  waitedTooLong(queuedTokens: number, workers: number): EspalierError {
    const perMs = this.rate.tokensPerMs(workers)
    const excess = perMs === null ? 0 : queuedTokens / perMs - this.#limits.maxQueueWaitMs
    return this.#overloaded(queuedTokens, excess)
  }

  /** Milliseconds from now to the end of the last run of a request; 0 for one without a deadline. */
  #finishMs(work: NewWork, { runningTokens, workers, view }: Load): number {
    if (work.timeoutMs === undefined) return 0
    const perMs = this.rate.tokensPerMs(workers) ?? DrainRate.unknown(workers)
    // Small requests that come later pass all but the last part of a large one, as the queue shares the time.
    const shares = Math.max(view.shares, this.#usualShares)
    const passing = (work.tokens - work.lastTokens) * (shares - 1)
    return (runningTokens + Math.max(view.ahead, passing) + work.tokens) / perMs
  }

  #overloaded(queuedTokens: number, lateMs: number): EspalierError {
    const seconds = Math.ceil(lateMs / 1000)
    const retryAfterSeconds = Math.min(MAX_RETRY_SECONDS, Math.max(1, seconds))
    const message = `the queue is full (${queuedTokens} tokens wait): try again in ${retryAfterSeconds} s`
    return new EspalierError('overloaded', message, { retryAfterSeconds })
  }
}

/**
 * By how much a request is above a bound; 0 where it fits. While another caller fills the queue, each may have a fair
 * part beyond it, which is half of it in all.
 */
function exceeds(
  all: number,
  own: number,
  added: number,
  limit: number,
  { callers }: QueueView,
): number {
  const isFair = callers > 1 && own + added <= limit / (2 * callers)
  return added === 0 || isFair ? 0 : Math.max(0, all + added - limit)
}
