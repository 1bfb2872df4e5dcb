import type { Clock } from '../../../shared/lib/clock.ts'
import { timingHeaders } from '../middleware/timing-headers.ts'
import type { ApiContext } from '../types.ts'

/**
 * The answer of an inference route, with all its headers at once: a header set on a finished response
 * makes Hono build the response anew, which cost more than everything else in a short request.
 */
export function answerJson(c: ApiContext, json: Uint8Array<ArrayBuffer>, clock: Clock): Response {
  const record = c.get('record')
  record.answered = true
  return new Response(json, {
    headers: {
      'content-type': 'application/json',
      'x-request-id': record.id,
      ...record.usageHeaders,
      ...timingHeaders(record, clock),
    },
  })
}
