import { EspalierError } from '../../../shared/lib/errors.ts'
import type { Readiness } from '../../../shared/serving/readiness.ts'
import type { ApiMiddleware } from '../types.ts'

/** Lets at most `limit` inference requests in at once, before their bodies are read; none before readiness. */
export function admission(limit: number, readiness: Readiness): ApiMiddleware {
  let inside = 0
  return async function admit(_c, next) {
    if (readiness.status() === 'starting') {
      throw new EspalierError('model_loading', 'the model is still loading', {
        retryAfterSeconds: 1,
      })
    }
    if (inside >= limit) {
      throw new EspalierError(
        'overloaded',
        `the server holds ${limit} requests, its limit; try again shortly`,
        { retryAfterSeconds: 1 },
      )
    }
    inside++
    try {
      await next()
    } finally {
      inside--
    }
  }
}
