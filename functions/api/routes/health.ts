import { type Health, healthSchema } from '../../../shared/contract/health.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import type { Route } from '../types.ts'

/** Names listed; the metric counts them all. */
const MAX_DEGRADED = 50

/** What every probe has in common: anybody may ask, every few seconds. */
const probe = { method: 'get', scope: null, quiet: true } as const

/** `GET /livez`: the process answers. */
export const livenessRoute: Route = {
  ...probe,
  path: '/livez',
  docs: { summary: 'Is the process alive?', tag: 'operations', response: healthSchema },
  handler: () => (c) => c.json<Health>({ status: 'ok' }),
}

/** `GET /readyz` and what other servers and platforms call it: the encoder is loaded and has passed its self-test. */
export const readinessRoutes: readonly Route[] = ['/readyz', '/healthz', '/health', '/ping'].map(
  (path) => ({
    ...probe,
    path,
    docs: { summary: 'Are requests welcome?', tag: 'operations', response: healthSchema },
    handler:
      ({ readiness, encoders, classifiers }) =>
      (c) => {
        const status = readiness.status()
        if (status !== 'ready') return c.json<Health>({ status }, 503)
        const { info } = encoders.resolve()
        const { device, modality } = info
        const { status: registry } = classifiers.registryStatus()
        const encoder = formatModelVersion(info)
        const names = classifiers.degraded().slice(0, MAX_DEGRADED)
        const degraded = names.length > 0 && { degraded: names }
        return c.json<Health>({
          status: 'ok',
          encoder,
          device,
          modality,
          registry,
          ...degraded,
        })
      },
  }),
)
