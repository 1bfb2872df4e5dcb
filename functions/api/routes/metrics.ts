import type { Route } from '../types.ts'

/** `GET /metrics`, in Prometheus' text format. */
export const metricsRoute: Route = {
  method: 'get',
  path: '/metrics',
  scope: 'admin',
  quiet: true,
  handler({ metrics }) {
    if (metrics === undefined) return null
    return async (c) =>
      c.body(await metrics.metrics(), 200, { 'content-type': metrics.contentType })
  },
}
