import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiKey, KeyRing } from './api-keys.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config/config.ts'
import type { Logger } from './logger.ts'

/** A place that keys are read from, again and again while a server runs. */
export interface KeySource {
  /** The setting that names it. */
  readonly setting: string
  /** @throws EspalierError that repeats nothing of what was read */
  read(): Promise<readonly ApiKey[]>
  close(): void
}

/** What live keys are made with. */
export interface LiveKeysOptions {
  /** Those that stay as long as the process. */
  readonly fixed: readonly ApiKey[]
  readonly sources: readonly KeySource[]
  /** With `request` nothing but requests makes them look again. */
  readonly follow: Config['follow']
  readonly clock: Clock
  readonly log: Logger
}

/** After this time keys are read anew beside the requests, in milliseconds. */
const REFRESH_MS = 40_000
/** After this time a request waits until they are: a revoked key is refused a minute later at the latest. */
const STALE_MS = 50_000
/** A source that failed is asked again after this time. */
const RETRY_MS = 10_000
/** Longest wait of a request; then the keys hold that are known. */
const WAIT_MS = 3_000

/** A source, with what it held when it was last read and why it could not be read since. */
interface Followed {
  readonly source: KeySource
  keys: readonly ApiKey[]
  fault: string | null
}

/** The keys that a server accepts now: read at its start, and anew within a minute. */
export class LiveKeys {
  readonly #options: LiveKeysOptions
  readonly #followed: readonly Followed[]
  #ring: KeyRing
  #refreshing: Promise<void> | null = null
  /** When the last refresh began that read every source, and when the last one of all began. */
  #succeededAt: number
  #triedAt: number
  #failures = 0
  #clash: string | null = null
  #timer: NodeJS.Timeout | undefined

  private constructor(options: LiveKeysOptions, followed: readonly Followed[], startedAt: number) {
    this.#options = options
    this.#followed = followed
    this.#ring = new KeyRing([...options.fixed, ...followed.flatMap(({ keys }) => keys)])
    this.#succeededAt = startedAt
    this.#triedAt = startedAt
    this.#schedule()
  }

  /** Reads every source. @throws EspalierError the first one's, or of two keys that are the same */
  static async open(options: LiveKeysOptions): Promise<LiveKeys> {
    const startedAt = options.clock.monotonicMs()
    const read = async (source: KeySource): Promise<Followed> => ({
      source,
      keys: await source.read(),
      fault: null,
    })
    try {
      return new LiveKeys(options, await Promise.all(options.sources.map(read)), startedAt)
    } catch (error) {
      for (const source of options.sources) source.close()
      throw error
    }
  }

  /** Keys in use. */
  get size(): number {
    return this.#ring.size
  }

  /** Names of the keys in use. */
  get names(): readonly string[] {
    return this.#ring.names
  }

  /** Refreshes that failed since the start, and the time since the last one that did not, in milliseconds. */
  status(): { readonly failures: number; readonly ageMs: number } {
    return {
      failures: this.#failures,
      ageMs: this.#options.clock.monotonicMs() - this.#succeededAt,
    }
  }

  /** The first of the words given that is a key. Takes the same time for every key, right or wrong. */
  find(words: readonly string[]): ApiKey | null {
    return this.#ring.find(words)
  }

  /** Before a request: reads the sources where it is time to, and waits for that where it is late. Never throws. */
  async catchUp(): Promise<void> {
    const { clock, follow } = this.#options
    if (this.#followed.length === 0) return
    const now = clock.monotonicMs()
    const sinceTriedMs = now - this.#triedAt
    if (now - this.#succeededAt < STALE_MS) {
      if (follow === 'request' && sinceTriedMs >= REFRESH_MS) void this.refresh()
      return
    }
    // A timer asks a source that fails again; without one the requests do, now and then one of them.
    const isDue = this.#refreshing !== null || sinceTriedMs >= RETRY_MS
    if (!isDue || (follow === 'timer' && this.#isFailing)) return
    await Promise.race([this.refresh(), sleep(WAIT_MS, undefined, { ref: false })])
  }

  /** What is known is of no known age, as after a restore from a snapshot: the next request waits for a reading. */
  expire(): void {
    this.#succeededAt = Number.NEGATIVE_INFINITY
    this.#triedAt = Number.NEGATIVE_INFINITY
    this.#clash = null
    for (const followed of this.#followed) followed.fault = null
  }

  /** Reads every source now, or waits for the reading under way. Never throws: what cannot be read stays as it was. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  /** Ends the refreshing. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const { source } of this.#followed) source.close()
  }

  /** The last refresh failed, and that is logged. */
  get #isFailing(): boolean {
    return this.#clash !== null || this.#followed.some(({ fault }) => fault !== null)
  }

  async #refresh(): Promise<void> {
    const startedAt = this.#options.clock.monotonicMs()
    this.#triedAt = startedAt
    await Promise.all(this.#followed.map((each) => this.#read(each)))
    const isWhole = this.#followed.every(({ fault }) => fault === null)
    if (this.#replaceRing() && isWhole) this.#succeededAt = startedAt
    else this.#failures++
  }

  async #read(followed: Followed): Promise<void> {
    const { log } = this.#options
    const { setting } = followed.source
    try {
      followed.keys = await followed.source.read()
      if (followed.fault !== null) log.info({ setting }, 'API keys can be read again')
      followed.fault = null
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error)
      // One line for every new reason: the same one comes again with each refresh.
      if (fault !== followed.fault) {
        log.warn({ setting, reason: fault }, 'API keys cannot be read anew; the last ones hold')
      }
      followed.fault = fault
    }
  }

  /** False where the keys cannot stand beside each other, so that those of before hold. */
  #replaceRing(): boolean {
    const { fixed, log } = this.#options
    const before = this.#ring
    try {
      this.#ring = new KeyRing([...fixed, ...this.#followed.flatMap(({ keys }) => keys)])
    } catch (error) {
      const clash = error instanceof Error ? error.message : String(error)
      if (clash !== this.#clash) log.warn({ reason: clash }, 'new API keys are not taken over')
      this.#clash = clash
      return false
    }
    this.#clash = null
    const added = this.#ring.without(before)
    const removed = before.without(this.#ring)
    if (added.length + removed.length > 0) log.info({ added, removed }, 'API keys changed')
    return true
  }

  #schedule(): void {
    if (this.#options.follow === 'request' || this.#followed.length === 0) return
    const delayMs = this.#isFailing ? RETRY_MS : REFRESH_MS
    const next = async () => {
      await this.refresh()
      if (this.#timer !== undefined) this.#schedule()
    }
    this.#timer = setTimeout(() => void next(), delayMs)
    this.#timer.unref()
  }
}
