import type { Clock } from '../../../shared/lib/clock.ts'
import { IdMint } from '../../../shared/lib/id-mint.ts'
import type { Renewals } from '../../../shared/lib/renewals.ts'
import type { ApiMiddleware } from '../types.ts'

/** Ids are written to logs and headers, so they are short and plain. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/
/** W3C trace context, version 00. */
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** Opens the record of a request; takes over the caller's `x-request-id`, or mints one. */
export function requestRecord(clock: Clock, renewals?: Renewals): ApiMiddleware {
  const ids = new IdMint()
  renewals?.add(() => ids.renew())
  return async function openRecord(c, next) {
    const given = c.req.header('x-request-id')
    const id = given && REQUEST_ID.test(given) ? given : `req_${ids.mint()}`
    const trace = c.req.header('traceparent')
    c.set('record', {
      id,
      startedMs: clock.monotonicMs(),
      traceparent: trace && TRACEPARENT.test(trace) ? trace : undefined,
      bodyBytes: 0,
      usage: null,
      usageHeaders: {},
      answered: false,
      errorCode: null,
      caller: null,
    })
    await next()
    if (!c.get('record').answered) c.header('x-request-id', id)
  }
}
