import { routePath } from 'hono/route'
import type { Clock } from '../../../shared/lib/clock.ts'
import type { Logger } from '../../../shared/lib/logger.ts'
import type { HttpMetrics } from '../metrics/http.ts'
import type { ApiMiddleware } from '../types.ts'

/** Asked every few seconds by probes and scrapers: written at debug. */
const QUIET_PATHS: ReadonlySet<string> = new Set([
  '/livez',
  '/readyz',
  '/healthz',
  '/health',
  '/ping',
  '/metrics',
])

/** Writes one log line per request and counts it. No text of a user reaches the log. */
export function requestLog(clock: Clock, log: Logger, metrics: HttpMetrics | null): ApiMiddleware {
  return async function logRequest(c, next) {
    metrics?.inFlight.inc()
    try {
      await next()
    } finally {
      metrics?.inFlight.dec()
    }
    const record = c.get('record')
    const durationMs = clock.monotonicMs() - record.startedMs
    const { status } = c.res
    const isUnrouted =
      record.errorCode === 'route_not_found' || record.errorCode === 'method_not_allowed'
    const route = isUnrouted ? 'none' : routePath(c, -1)
    metrics?.observe(c.req.method, route, status, durationMs, record)
    const { models: _, ...usage } = record.usage ?? { models: [] }
    const line = {
      requestId: record.id,
      traceparent: record.traceparent,
      method: c.req.method,
      path: c.req.path.slice(0, 256),
      status,
      durationMs: Math.round(durationMs * 100) / 100,
      bodyBytes: record.bodyBytes,
      ...usage,
      errorCode: record.errorCode ?? undefined,
      key: record.caller?.name,
    }
    if (QUIET_PATHS.has(c.req.path) && status < 400) log.debug(line, 'request')
    else log.info(line, 'request')
  }
}
