import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../lib/clock.ts'
import { endOnAbort } from '../lib/concurrency.ts'
import { EspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { ModelChange } from './model-changes.ts'
import type { RegistryFollower } from './registry-follower.ts'

/** Longest that a request waits for news of the registry where something is known already. */
const REVALIDATE_WAIT_MS = 2_000
/** Polls of many servers spread over this share of the interval. */
const JITTER = 0.2

/** When and how a registry is looked at. */
export interface RegistryWatchOptions {
  readonly follower: RegistryFollower
  /** The registry's URL, for the log. */
  readonly url: string
  /** `timer` looks every `pollMs`; `request` as a request comes and the last look is older. */
  readonly follow: 'timer' | 'request'
  readonly pollMs: number
  /** Told of every look that succeeded, `swept` where everything was read; says what it changed. */
  readonly onLook: (swept: boolean) => Promise<readonly ModelChange[]>
  readonly clock: Clock
  readonly log: Logger
}

/** What a look brought. */
export interface LookResult {
  readonly changes: readonly ModelChange[]
  /** Why the registry could not be read; null where it was. */
  readonly failure: Error | null
}

/** Looks at a registry at the right times, one look at once; one that is away is waited for. */
export class RegistryWatch {
  readonly #options: RegistryWatchOptions
  #looking: Promise<LookResult> | null = null
  #lookingSince = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #succeededAt: number | null = null
  #failure: Error | null = null
  #timer: NodeJS.Timeout | undefined
  readonly #closing = new AbortController()

  constructor(options: RegistryWatchOptions) {
    this.#options = options
    void this.refresh()
    if (options.follow === 'timer') this.#schedule()
  }

  /** Why the last look failed; null where it did not, and before the first. */
  get failure(): Error | null {
    return this.#failure
  }

  /** Milliseconds since the last look that succeeded; null before that. */
  get successAgeMs(): number | null {
    return this.#succeededAt === null ? null : this.#options.clock.monotonicMs() - this.#succeededAt
  }

  /** Milliseconds since the last look. */
  get ageMs(): number {
    return this.#options.clock.monotonicMs() - this.#lookedAt
  }

  /** True where a request has to look, as nothing else does and the last look is too old. */
  get isDue(): boolean {
    const { follow, pollMs } = this.#options
    return follow === 'request' && this.ageMs > pollMs
  }

  /** Looks now, or waits for the look that is under way. Never throws. */
  refresh(options: { readonly everything?: boolean } = {}): Promise<LookResult> {
    if (this.#looking === null) {
      this.#lookingSince = this.#options.clock.monotonicMs()
      this.#looking = this.#look(options).finally(() => {
        this.#looking = null
      })
    }
    return this.#looking
  }

  /**
   * A look at everything that begins after this call, with the changes of the one that was under way. Never throws.
   */
  async lookAgain(): Promise<LookResult> {
    const before = await this.#looking
    const { changes, failure } = await this.refresh({ everything: true })
    return { changes: [...(before?.changes ?? []), ...changes], failure }
  }

  /** Looks now and waits for it a little; not at all for a look that has hung that long already. Never throws. */
  async lookBriefly(): Promise<void> {
    const looking = this.refresh()
    const spentMs = this.#options.clock.monotonicMs() - this.#lookingSince
    const waitMs = REVALIDATE_WAIT_MS - spentMs
    if (waitMs <= 0) return
    await Promise.race([looking, sleep(waitMs, undefined, { ref: false })])
  }

  /**
   * Looks where it is time to, and always before anything is known.
   * @throws EspalierError the registry's own, while nothing is known of it
   */
  async catchUp(): Promise<void> {
    const { follower } = this.#options
    if (!follower.known) await this.refresh()
    else if (this.isDue) await this.revalidate()
    if (follower.known) return
    throw this.#failure ?? new EspalierError('registry_unavailable', 'not read yet')
  }

  /** Looks where nothing else does and the last look is too old; waits for it a little. Never throws. */
  async revalidate(): Promise<void> {
    if (!this.isDue) return
    await this.lookBriefly()
  }

  /** Ends the polling, and a look that is under way, at once; those who wait for it get `shutting_down`. */
  async close(): Promise<void> {
    this.#closing.abort(new EspalierError('shutting_down', 'the registry is not followed any more'))
    clearTimeout(this.#timer)
    await this.#looking
  }

  async #look(options: { readonly everything?: boolean }): Promise<LookResult> {
    const { follower, url, onLook, clock, log } = this.#options
    const { signal } = this.#closing
    let changes: readonly ModelChange[] = []
    try {
      signal.throwIfAborted()
      // Not all that a registry does can be told to end.
      const swept = await endOnAbort(follower.refresh({ ...options, signal }), signal)
      if (this.#failure) log.info({ registry: url }, 'the registry answers again')
      this.#failure = null
      this.#succeededAt = clock.monotonicMs()
      changes = await endOnAbort(onLook(swept), signal)
    } catch (error) {
      // One line for every time that it goes away.
      if (!this.#failure && !signal.aborted) {
        log.warn({ registry: url, err: error }, 'the registry does not answer; serving on')
      }
      this.#failure = error as Error
    }
    this.#lookedAt = clock.monotonicMs()
    return { changes, failure: this.#failure }
  }

  #schedule(): void {
    if (this.#closing.signal.aborted) return
    const delayMs = this.#options.pollMs * (1 + JITTER * (Math.random() - 0.5))
    this.#timer = setTimeout(() => void this.refresh().then(() => this.#schedule()), delayMs)
    this.#timer.unref()
  }
}
