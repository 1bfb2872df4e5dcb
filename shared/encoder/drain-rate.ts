/** Tokens after which what was learned counts half: some dozens of jobs. */
const HALF_LIFE_TOKENS = 4_096
/** Time of a full queue after which it does: a machine that is slow now, and one that is slow now and then. */
const HALF_LIVES_MS = [500, 5_000] as const
/** So much time of a full queue must have been seen before it is believed. */
const MIN_DRAIN_MS = 100
/** Tokens a millisecond of a worker of which nothing is known yet: that of a large encoder on a slow machine. */
const FIRST_TOKENS_PER_MS = 1

/**
 * How fast the workers get through tokens, from what they have done: by their own time, and, while the queue is never
 * empty, by the time that passes between jobs, which also has in it what else the machine does. The slowest counts.
 */
export class DrainRate {
  #tokens = 0
  #workerMs = 0
  readonly #drains = HALF_LIVES_MS.map((halfLifeMs) => ({ halfLifeMs, tokens: 0, ms: 0 }))
  /** When the last job ended with more of them waiting; null where the queue has been empty since. */
  #fullSince: number | null = null

  /** The rate to go by before the first job. */
  static unknown(workers: number): number {
    return FIRST_TOKENS_PER_MS * Math.max(1, workers)
  }

  /** Tokens a millisecond of all workers; null before the first job. */
  tokensPerMs(workers: number): number | null {
    if (this.#workerMs === 0) return null
    const own = (this.#tokens / this.#workerMs) * Math.max(1, workers)
    const drained = this.#drains.map(({ tokens, ms }) => (ms < MIN_DRAIN_MS ? own : tokens / ms))
    return Math.min(own, ...drained)
  }

  /**
   * Learns from a finished job.
   * @param workerMs its worker's own time
   * @param now milliseconds of a clock that never runs backwards
   * @param isFull whether more is waiting
   */
  finished(tokens: number, workerMs: number, now: number, isFull: boolean): void {
    const kept = 0.5 ** (tokens / HALF_LIFE_TOKENS)
    this.#tokens = this.#tokens * kept + tokens
    this.#workerMs = this.#workerMs * kept + Math.max(workerMs, 0.1)
    if (this.#fullSince !== null) {
      const passedMs = now - this.#fullSince
      for (const drain of this.#drains) {
        const left = 0.5 ** (passedMs / drain.halfLifeMs)
        drain.tokens = drain.tokens * left + tokens
        drain.ms = drain.ms * left + passedMs
      }
    }
    this.#fullSince = isFull ? now : null
  }
}
