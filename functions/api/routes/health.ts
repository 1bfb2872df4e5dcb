import { type Health, healthSchema } from '../../../shared/contract/health.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import { describeRoute } from '../describe-route.ts'
import type { ApiApp, ApiDeps } from '../types.ts'

/** Paths that other servers and platforms use for the same question. */
const READINESS_PATHS = ['/readyz', '/healthz', '/health', '/ping'] as const

/** `/livez`: the process answers. `/readyz` and its aliases: the encoder is loaded and has passed its self-test. */
export function addHealthRoutes(app: ApiApp, { readiness, encoders, classifiers }: ApiDeps): void {
  const operations = { method: 'get', tag: 'operations', response: healthSchema } as const
  describeRoute(app, { ...operations, path: '/livez', summary: 'Is the process alive?' })
  app.get('/livez', (c) => c.json<Health>({ status: 'ok' }))

  for (const path of READINESS_PATHS) {
    describeRoute(app, { ...operations, path, summary: 'Are requests welcome?' })
    app.get(path, (c) => {
      const status = readiness.status()
      if (status !== 'ready') return c.json<Health>({ status }, 503)
      const { info } = encoders.resolve()
      const { device, modality } = info
      const { status: registry } = classifiers.registryStatus()
      const encoder = formatModelVersion(info)
      return c.json<Health>({ status: 'ok', encoder, device, modality, registry })
    })
  }
}
