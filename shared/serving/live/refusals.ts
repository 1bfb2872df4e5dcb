import { RetryTimes } from '../../lib/retry-times.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'

/** Wait before a refused version is tried again where nothing of it changes; then doubled up to the longest. */
const FIRST_RETRY_MS = 30_000
const MAX_RETRY_MS = 300_000

interface Refusal {
  readonly reason: string
  /** Null where the files could not be looked at. */
  readonly version: RegistryVersion | null
  readonly mark: string | null
}

/** What refusals are kept with. */
export interface RefusalsOptions {
  readonly registry: Pick<RegistryReader, 'markFiles'>
  readonly monotonicMs: () => number
}

/**
 * The versions that were refused. One is tried again after a while, when its stored files change, and when somebody
 * says so; a record that cannot be read costs little and is tried again every time.
 */
export class Refusals {
  readonly #options: RefusalsOptions
  readonly #refused = new Map<string, Refusal>()
  readonly #times: RetryTimes
  #count = 0

  constructor(options: RefusalsOptions) {
    this.#options = options
    const { monotonicMs } = options
    this.#times = new RetryTimes({ firstMs: FIRST_RETRY_MS, maxMs: MAX_RETRY_MS, monotonicMs })
  }

  /** Refusals so far; a version that is refused again for the same reason counts once. */
  get count(): number {
    return this.#count
  }

  /** Every refused version, as `name@v2`, and why. */
  get reasons(): ReadonlyMap<string, string> {
    return new Map([...this.#refused].map(([label, { reason }]) => [label, reason]))
  }

  get versions(): readonly RegistryVersion[] {
    return [...this.#refused.values()].flatMap(({ version }) => version ?? [])
  }

  /** Why a version is not tried now; null for one that is to be tried. */
  async reasonToWait(label: string): Promise<string | null> {
    const refusal = this.#refused.get(label)
    if (!refusal?.version || this.#times.isDue(label)) return null
    const mark = await this.mark(refusal.version)
    return mark === null || mark === refusal.mark ? refusal.reason : null
  }

  /** What the stored files of a version look like; taken before it is tried. Null where that cannot be told. */
  async mark(version: RegistryVersion): Promise<string | null> {
    return this.#options.registry.markFiles(version).catch(() => null)
  }

  /** Notes a refusal; true where it is news. */
  add(
    label: string,
    reason: string,
    version: RegistryVersion | null,
    mark: string | null,
  ): boolean {
    const isNew = this.#refused.get(label)?.reason !== reason
    this.#refused.set(label, { reason, version, mark })
    this.#times.fail(label)
    if (isNew) this.#count++
    return isNew
  }

  /** Forgets a version that is taken, or that nobody wants any more. */
  delete(label: string): void {
    this.#refused.delete(label)
    this.#times.forget(label)
  }

  /** Keeps those that are still wanted. */
  keepOnly(isWanted: (label: string) => boolean): void {
    for (const label of this.#refused.keys()) if (!isWanted(label)) this.delete(label)
  }

  /** Lets all be tried again. */
  retryAll(): void {
    this.#times.hurry()
  }
}
