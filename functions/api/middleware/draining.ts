import type { Readiness } from '../../../shared/serving/readiness.ts'
import type { ApiMiddleware } from '../types.ts'

/** While the process is stopping, every answer asks the caller to take a new connection elsewhere. */
export function draining(readiness: Readiness): ApiMiddleware {
  return async function closeConnections(c, next) {
    await next()
    if (readiness.status() === 'stopping') c.header('connection', 'close')
  }
}
