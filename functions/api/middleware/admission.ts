import { EspalierError } from '../../../shared/lib/errors.ts'
import type { Readiness } from '../../../shared/serving/readiness.ts'
import type { ApiMiddleware } from '../types.ts'

/** Lets at most `limit` inference requests in at once, before their bodies are read; none before readiness. */
export class Admission {
  readonly #limit: number
  readonly #readiness: Readiness
  #inside = 0

  constructor(limit: number, readiness: Readiness) {
    this.#limit = limit
    this.#readiness = readiness
  }

  /**
   * Counts a request in until its `work` has ended.
   * @throws EspalierError `model_loading`, `overloaded`
   */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.#readiness.status() === 'starting') {
      throw new EspalierError('model_loading', 'the model is still loading', {
        retryAfterSeconds: 1,
      })
    }
    if (this.#inside >= this.#limit) {
      throw new EspalierError(
        'overloaded',
        `the server holds ${this.#limit} requests, its limit; try again shortly`,
        { retryAfterSeconds: 1 },
      )
    }
    this.#inside++
    try {
      return await work()
    } finally {
      this.#inside--
    }
  }
}

/** While the process is stopping, every answer asks the caller to take a new connection elsewhere. */
export function draining(readiness: Readiness): ApiMiddleware {
  return async function closeConnections(c, next) {
    await next()
    if (readiness.status() === 'stopping') c.header('connection', 'close')
  }
}
