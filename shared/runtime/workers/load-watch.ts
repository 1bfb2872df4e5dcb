import { isLatchClosed } from '../verification-latch.ts'
import { ticksFor } from './run-deadline.ts'
import type { WorkerThread } from './worker-thread.ts'

export const DEFAULT_LOAD_TIMEOUT_MS = 300_000

/**
 * The threads of a pool that are loading, each with its deadline. The time in which files are verified, which other
 * threads do, does not count.
 */
export class LoadWatch {
  readonly #latch: SharedArrayBuffer | undefined
  readonly #ticks: number
  readonly #ticksLeft = new Map<WorkerThread, number>()

  /** @param latch what the threads wait on before they read files */
  constructor(timeoutMs: number, latch: SharedArrayBuffer | undefined) {
    this.#ticks = ticksFor(timeoutMs)
    this.#latch = latch
  }

  /** Watches a thread until it has loaded, failed or ended. */
  add(thread: WorkerThread): void {
    this.#ticksLeft.set(thread, this.#ticks)
    const forget = () => void this.#ticksLeft.delete(thread)
    thread.ready.then(forget, forget)
  }

  /** The threads whose time has run out with this tick; they are not watched any more. */
  tick(): readonly WorkerThread[] {
    if (this.#latch !== undefined && isLatchClosed(this.#latch)) return []
    const late: WorkerThread[] = []
    for (const [thread, left] of this.#ticksLeft) {
      if (left > 1) this.#ticksLeft.set(thread, left - 1)
      else late.push(thread)
    }
    for (const thread of late) this.#ticksLeft.delete(thread)
    return late
  }
}
