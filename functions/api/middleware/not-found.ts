import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { ApiApp, ApiContext } from '../types.ts'

/** Answers what no route took: 405 with `Allow` where the path exists, else 404. */
export function notFound(app: ApiApp, sendError: (error: unknown, c: ApiContext) => Response) {
  return function answerNotFound(c: ApiContext): Response {
    const { path, method } = c.req
    const allowed = findMethods(app, path)
    if (allowed.length === 0) {
      const message = `there is no ${quote(path)}; /openapi.json lists what there is`
      return sendError(new EspalierError('route_not_found', message), c)
    }
    c.header('allow', allowed.join(', '))
    const message = `${path} takes ${allowed.join(' or ')}, not ${method}`
    return sendError(new EspalierError('method_not_allowed', message), c)
  }
}

/** The methods of the routes at a path; in patterns, `:name` stands for one segment. */
function findMethods(app: ApiApp, path: string): string[] {
  const segments = path.split('/')
  const methods = app.routes.filter((route) => {
    if (route.method === 'ALL') return false
    const pattern = route.path.split('/')
    return (
      pattern.length === segments.length &&
      pattern.every((part, i) => part.startsWith(':') || part === segments[i])
    )
  })
  return [...new Set(methods.map(({ method }) => method))].sort()
}
