/**
 * What parts of a process have to do anew once it goes on from a snapshot of its memory: connections and credentials
 * are stale then, and whatever was random is the same in every process that came from it.
 */
export class RestoreHooks {
  readonly #all: (() => void)[] = []

  /** Registers what a part does; it must not fail. */
  add(renew: () => void): void {
    this.#all.push(renew)
  }

  /** Renews everything. */
  run(): void {
    for (const renew of this.#all) renew()
  }
}
