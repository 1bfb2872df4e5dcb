import { EspalierError } from '../../../shared/lib/errors.ts'
import { requireAdmin } from '../middleware/access.ts'
import type { Route } from '../types.ts'

/** `GET /metrics`, in Prometheus' text format. */
export const metricsRoute: Route = {
  method: 'get',
  path: '/metrics',
  scope: 'admin',
  quiet: true,
  handler({ config, metrics }) {
    if (config.metrics === 'off') {
      return () => {
        const why = 'its numbers would be those of one of the processes that answer here'
        throw new EspalierError('route_not_found', `/metrics is off (ESPALIER_METRICS): ${why}`)
      }
    }
    if (metrics === undefined) return null
    return async (c) => {
      if (config.adminToken !== undefined) requireAdmin(c, config)
      return c.body(await metrics.metrics(), 200, { 'content-type': metrics.contentType })
    }
  },
}
