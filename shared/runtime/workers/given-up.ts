import type { Logger } from '../../lib/logger.ts'
import { WorkerStuck, type WorkerThread } from './worker-thread.ts'

/** Threads that did not come back keep their memory; more than this many at a time are not replaced. */
const MAX_AT_A_TIME = 2

/** The threads of a pool that did not come back, and the places that they left empty. */
export class GivenUp {
  readonly #log: Logger
  readonly #replace: () => void
  /** Those without a replacement. */
  #missing = 0
  #count = 0
  #total = 0

  /** @param replace called once for each that was not replaced at once, when another one has ended */
  constructor(log: Logger, replace: () => void) {
    this.#log = log
    this.#replace = replace
  }

  /** Those that are still there. */
  get count(): number {
    return this.#count
  }

  /** All, so far. */
  get total(): number {
    return this.#total
  }

  /**
   * Counts a thread; what comes back tells its jobs, and whether it is to be replaced now.
   * @param workers those that are left, for the log
   */
  add(thread: WorkerThread, from: 'a run' | 'loading', workers: number): WorkerStuck {
    const isReplaced = this.#count < MAX_AT_A_TIME
    this.#total += 1
    this.#count += 1
    if (!isReplaced) this.#missing += 1
    const what = isReplaced ? 'replacing it' : 'too many are given up to replace it'
    const message = `an encoder worker does not come back from ${from}: ${what}`
    this.#log.error({ workers, abandoned: this.#count }, message)
    void thread.exited.then(() => this.#cameBack())
    return new WorkerStuck(isReplaced, from)
  }

  /** A thread has ended by itself and left its memory. */
  #cameBack(): void {
    this.#count -= 1
    if (this.#missing === 0) return
    this.#missing -= 1
    this.#replace()
  }
}
