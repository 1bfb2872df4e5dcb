import { EspalierError } from '../../../shared/lib/errors.ts'
import type { Logger } from '../../../shared/lib/logger.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { ApiApp } from '../api-app.ts'
import { renderError } from '../responses/errors.ts'
import type { ApiContext } from '../types.ts'

type SendError = (thrown: unknown, c: ApiContext) => Response

/** Turns whatever a handler throws into the error reply of its route; only our own faults are logged in full. */
export function handleErrors(log: Logger): SendError {
  return function sendError(thrown, c) {
    const error = toEspalierError(thrown)
    const record = c.get('record')
    record.errorCode = error.code
    const form = record.route?.errors ?? 'unified'
    const { status, body, headers } = renderError(error, form, c.req.path, record.id)
    // A deadline is the caller's own: the line of the request says it all.
    const isOurs = status >= 500 && error.code !== 'deadline_exceeded'
    if (isOurs || error.code === 'internal') {
      log.error({ requestId: record.id, err: error.cause ?? error }, 'request failed')
    }
    return c.json(body, status, { ...headers })
  }
}

/** Answers what no route took: 405 with `Allow` where the path exists, else 404. */
export function notFound(app: ApiApp, sendError: SendError) {
  return function answerNotFound(c: ApiContext): Response {
    const { path, method } = c.req
    const methods = app.routesAt(path).map((route) => route.method.toUpperCase())
    const allowed = [...new Set(methods)].sort()
    if (allowed.length === 0) {
      const message = `there is no ${quote(path)}; /openapi.json lists what there is`
      return sendError(new EspalierError('route_not_found', message), c)
    }
    c.header('allow', allowed.join(', '))
    const message = `${path} takes ${allowed.join(' or ')}, not ${method}`
    return sendError(new EspalierError('method_not_allowed', message), c)
  }
}

/** Turns anything thrown into an error of ours; what is not ours stays hidden from the caller. */
function toEspalierError(error: unknown): EspalierError {
  if (error instanceof EspalierError) return error
  return new EspalierError(
    'internal',
    'something went wrong on the server; the request id finds it in the log',
    { cause: error },
  )
}
