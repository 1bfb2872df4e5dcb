/** When what failed is tried again. */
export interface RetryTimesOptions {
  /** Wait after the first failure, in milliseconds; it doubles with each further one. */
  readonly firstMs: number
  readonly maxMs: number
  readonly monotonicMs: () => number
}

interface Wait {
  readonly failures: number
  readonly until: number
}

/** Keeps, by name, when things that failed are due again: exponential backoff without a timer. */
export class RetryTimes {
  readonly #options: RetryTimesOptions
  readonly #waits = new Map<string, Wait>()

  constructor(options: RetryTimesOptions) {
    this.#options = options
  }

  /** Notes a failure, and with it the next wait. */
  fail(name: string): void {
    const { firstMs, maxMs, monotonicMs } = this.#options
    const failures = (this.#waits.get(name)?.failures ?? 0) + 1
    const delayMs = Math.min(maxMs, firstMs * 2 ** (failures - 1))
    this.#waits.set(name, { failures, until: monotonicMs() + delayMs })
  }

  /** True for what never failed, and for what has waited long enough. */
  isDue(name: string): boolean {
    const wait = this.#waits.get(name)
    return wait === undefined || this.#options.monotonicMs() >= wait.until
  }

  /** Makes everything due; a further failure waits as long as it would have. */
  hurry(): void {
    for (const [name, { failures }] of this.#waits) this.#waits.set(name, { failures, until: 0 })
  }

  /** Starts anew for what succeeded, or is gone. */
  forget(name: string): void {
    this.#waits.delete(name)
  }
}
