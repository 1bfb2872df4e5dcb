import { setImmediate } from 'node:timers/promises'

/** A share of the thread's time: long work asks between its steps whether others should have theirs. */
export class TimeSlice {
  readonly #maxMs: number
  #since = performance.now()

  constructor(maxMs: number) {
    this.#maxMs = maxMs
  }

  get shouldYield(): boolean {
    return performance.now() - this.#since >= this.#maxMs
  }

  /** Lets everything else that waits run once. */
  async next(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}
