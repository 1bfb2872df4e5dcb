import { routePath } from 'hono/route'
import type { Clock } from '../../../shared/lib/clock.ts'
import { IdMint } from '../../../shared/lib/id-mint.ts'
import type { Logger } from '../../../shared/lib/logger.ts'
import type { RestoreHooks } from '../../../shared/lib/restore-hooks.ts'
import type { ApiApp } from '../api-app.ts'
import type { HttpMetrics } from '../metrics/http.ts'
import { timingHeaders } from '../responses/answer.ts'
import type { ApiMiddleware } from '../types.ts'

/** Ids are written to logs and headers, so they are short and plain. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/
/** W3C trace context, version 00. */
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** Opens the record of a request; takes over the caller's `x-request-id`, or mints one. */
export function requestRecord(
  app: ApiApp,
  clock: Clock,
  restoreHooks?: RestoreHooks,
): ApiMiddleware {
  const ids = new IdMint()
  restoreHooks?.add(() => ids.renew())
  return async function openRecord(c, next) {
    const given = c.req.header('x-request-id')
    const id = given && REQUEST_ID.test(given) ? given : `req_${ids.mint()}`
    const trace = c.req.header('traceparent')
    c.set('record', {
      id,
      startedMs: clock.monotonicMs(),
      traceparent: trace && TRACEPARENT.test(trace) ? trace : undefined,
      route: app.routeOf(c),
      bodyBytes: 0,
      usage: null,
      heads: null,
      usageHeaders: {},
      answered: false,
      errorCode: null,
      caller: null,
      weight: 1,
    })
    await next()
    if (!c.get('record').answered) c.header('x-request-id', id)
  }
}

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
      // A failure is counted for the version that it is about.
      heads: record.heads?.join(', '),
      ...usage,
      errorCode: record.errorCode ?? undefined,
      key: record.caller?.name,
    }
    if (record.route?.quiet && status < 400) log.debug(line, 'request')
    else log.info(line, 'request')
  }
}

/** Puts the time into answers that did not bring it along: errors, probes, lists. */
export function addTimingHeaders(clock: Clock): ApiMiddleware {
  return async function setTimingHeaders(c, next) {
    await next()
    const record = c.get('record')
    if (record.answered) return
    for (const [name, value] of Object.entries(timingHeaders(record, clock))) c.header(name, value)
  }
}
