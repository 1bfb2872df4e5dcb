import type { Registry } from 'prom-client'
import type { ApiApp } from '../types.ts'

/** `GET /metrics`, in Prometheus' text format. */
export function addMetricsRoute(app: ApiApp, registry: Registry): void {
  app.get('/metrics', async (c) => {
    return c.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
}
