import { EspalierError } from '../../../shared/lib/errors.ts'
import type { Readiness } from '../../../shared/serving/readiness.ts'
import type { ApiMiddleware } from '../types.ts'

/**
 * Lets at most `limit` inference requests in at once; none before readiness. A request takes its permit when its body
 * is whole, so that a slow client holds none. While one API key has most of the permits, another one may have a
 * fair share beyond the limit, which is half of it in all.
 */
export class Admission {
  readonly #limit: number
  readonly #readiness: Readiness
  readonly #byCaller = new Map<string, number>()
  #inside = 0

  constructor(limit: number, readiness: Readiness) {
    this.#limit = limit
    this.#readiness = readiness
  }

  /**
   * Refuses at once, before a body is read, what would be refused with it.
   * @param caller the name of the API key; null where there is none
   * @throws EspalierError `model_loading`, `overloaded`
   */
  check(caller: string | null): void {
    if (this.#readiness.status() === 'starting') {
      throw new EspalierError('model_loading', 'the model is still loading', {
        retryAfterSeconds: 1,
      })
    }
    if (this.#inside < this.#limit || this.#isWithinShare(caller)) return
    throw new EspalierError(
      'overloaded',
      `the server holds ${this.#limit} requests, its limit; try again shortly`,
      { retryAfterSeconds: 1 },
    )
  }

  /**
   * Counts a request in until its `work` has ended.
   * @throws EspalierError `model_loading`, `overloaded`
   */
  async hold<T>(caller: string | null, work: () => Promise<T>): Promise<T> {
    this.check(caller)
    this.#count(caller, 1)
    try {
      return await work()
    } finally {
      this.#count(caller, -1)
    }
  }

  #isWithinShare(caller: string | null): boolean {
    if (caller === null) return false
    const own = this.#byCaller.get(caller) ?? 0
    const callers = this.#byCaller.size + (own === 0 ? 1 : 0)
    return callers > 1 && own < this.#limit / (2 * callers)
  }

  #count(caller: string | null, change: 1 | -1): void {
    this.#inside += change
    if (caller === null) return
    const own = (this.#byCaller.get(caller) ?? 0) + change
    if (own === 0) this.#byCaller.delete(caller)
    else this.#byCaller.set(caller, own)
  }
}

/** While the process is stopping, every answer asks the caller to take a new connection elsewhere. */
export function draining(readiness: Readiness): ApiMiddleware {
  return async function closeConnections(c, next) {
    await next()
    if (readiness.status() === 'stopping') c.header('connection', 'close')
  }
}
