import type { Logger } from '../../../shared/lib/logger.ts'
import { renderError, toEspalierError } from '../responses/errors.ts'
import type { ApiContext } from '../types.ts'

/** Turns whatever a handler throws into the error reply of its route; only our own faults are logged in full. */
export function handleErrors(log: Logger) {
  return function sendError(thrown: unknown, c: ApiContext): Response {
    const error = toEspalierError(thrown)
    const record = c.get('record')
    record.errorCode = error.code
    const { status, body, headers } = renderError(error, c.req.path, record.id)
    if (status >= 500 || error.code === 'internal') {
      log.error({ requestId: record.id, err: error.cause ?? error }, 'request failed')
    }
    return c.json(body, status, { ...headers })
  }
}
