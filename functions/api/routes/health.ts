import { type Health, healthSchema } from '../../../shared/contract/health.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import type { ApiDeps, Route } from '../types.ts'

/** Names listed; the metric counts them all. */
const MAX_DEGRADED = 50

/** What every probe has in common: anybody may ask, every few seconds. */
const probe = { method: 'get', scope: null, quiet: true } as const

const probeDocs = {
  tag: 'operations',
  response: healthSchema,
  unavailable: healthSchema,
} as const

/** Without a worker for so many times the setting, a process is to be restarted. Replacing one may take a while. */
const LIVENESS_FACTOR = 6

/** True where the default encoder has had no worker for longer than the setting times `factor`. */
function hasLostWorkers({ encoders, config }: ApiDeps, factor: number): boolean {
  return encoders.resolve().load().lostMs >= factor * config.workerLossMs
}

/** `GET /livez`: the process answers, and its default encoder has workers or had some not long ago. */
export const livenessRoute: Route = {
  ...probe,
  path: '/livez',
  docs: { summary: 'Is the process alive?', ...probeDocs },
  handler: (deps) => (c) => {
    const isRunning = deps.readiness.status() === 'ready'
    if (!isRunning || !hasLostWorkers(deps, LIVENESS_FACTOR)) {
      return c.json<Health>({ status: 'ok' })
    }
    return c.json<Health>({ status: 'workers_lost' }, 503)
  },
}

/** `GET /readyz` and what other servers and platforms call it: the encoder is loaded and has passed its self-test. */
export const readinessRoutes: readonly Route[] = ['/readyz', '/healthz', '/health', '/ping'].map(
  (path) => ({
    ...probe,
    path,
    docs: { summary: 'Are requests welcome?', ...probeDocs },
    handler: (deps) => (c) => {
      const { readiness, encoders, classifiers } = deps
      const status = readiness.status()
      if (status !== 'ready') return c.json<Health>({ status }, 503)
      if (hasLostWorkers(deps, 1)) return c.json<Health>({ status: 'workers_lost' }, 503)
      const { info } = encoders.resolve()
      const { device, modality } = info
      const { status: registry } = classifiers.registryStatus()
      const encoder = formatModelVersion(info)
      const names = classifiers.degraded().slice(0, MAX_DEGRADED)
      const degraded = names.length > 0 && { degraded: names }
      return c.json<Health>({ status: 'ok', encoder, device, modality, registry, ...degraded })
    },
  }),
)
