import type { Clock } from '../../../shared/lib/clock.ts'
import { EVERY_OTHER_KEY, type KeyLimit, NO_LIMIT } from '../../../shared/lib/config/key-limits.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { RequestRecord } from '../types.ts'

const MINUTE_MS = 60_000

/** What one key has left; it fills again all the time, to the amount of a minute at most. */
interface Allowance {
  readonly limit: KeyLimit
  requests: number
  tokens: number
  sinceMs: number
}

/**
 * Requests and tokens a minute of each API key, of this process alone. Tokens are charged when an answer is there, so
 * that several requests at once may go beyond what is left; the key then waits until that is made up for.
 */
export class KeyLimits {
  readonly #limits: ReadonlyMap<string, KeyLimit>
  readonly #clock: Clock
  readonly #allowances = new Map<string, Allowance>()

  constructor(limits: ReadonlyMap<string, KeyLimit> | undefined, clock: Clock) {
    this.#limits = limits ?? new Map()
    this.#clock = clock
  }

  /**
   * Counts a request in, and notes the weight of its key.
   * @throws EspalierError `rate_limited` with the seconds after which it would be let in
   */
  enter(record: RequestRecord): void {
    if (record.caller === null || this.#limits.size === 0) return
    const { name } = record.caller
    const own = this.#allowanceOf(name)
    record.weight = own.limit.weight
    const { requests, tokens } = own.limit
    const waitMs = Math.max(
      own.requests >= 1 ? 0 : ((1 - own.requests) / requests) * MINUTE_MS,
      own.tokens > 0 ? 0 : ((1 - own.tokens) / tokens) * MINUTE_MS,
    )
    if (waitMs > 0) {
      const isTokens = own.requests >= 1
      const what = isTokens ? `${tokens} tokens` : `${requests} requests`
      const seconds = Math.ceil(waitMs / 1000)
      const message = `the key ${name} has used up its ${what} a minute; try again in ${seconds} s`
      throw new EspalierError('rate_limited', message, { retryAfterSeconds: seconds })
    }
    own.requests -= 1
  }

  /** Charges what a request has used, however it ended. */
  charge({ caller, usage }: RequestRecord): void {
    if (caller === null || usage === null || this.#limits.size === 0) return
    this.#allowanceOf(caller.name).tokens -= usage.tokens
  }

  #allowanceOf(name: string): Allowance {
    const now = this.#clock.monotonicMs()
    const known = this.#allowances.get(name)
    if (known) {
      const { requests, tokens } = known.limit
      const minutes = (now - known.sinceMs) / MINUTE_MS
      if (Number.isFinite(requests)) {
        known.requests = Math.min(requests, known.requests + minutes * requests)
      }
      if (Number.isFinite(tokens)) known.tokens = Math.min(tokens, known.tokens + minutes * tokens)
      known.sinceMs = now
      return known
    }
    const limit = this.#limits.get(name) ?? this.#limits.get(EVERY_OTHER_KEY) ?? NO_LIMIT
    const { requests, tokens } = limit
    const allowance: Allowance = { limit, requests, tokens, sinceMs: now }
    this.#allowances.set(name, allowance)
    return allowance
  }
}
