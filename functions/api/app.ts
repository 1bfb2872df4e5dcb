import { ApiApp } from './api-app.ts'
import { createHttpMetrics } from './metrics/http.ts'
import { addBodyMetrics } from './metrics/intake.ts'
import { apiKeys } from './middleware/access.ts'
import { Admission, draining } from './middleware/admission.ts'
import { handleErrors, notFound } from './middleware/failures.ts'
import { KeyLimits } from './middleware/key-limits.ts'
import { allowHosts, allowOrigins } from './middleware/origins.ts'
import { addTimingHeaders, requestLog, requestRecord } from './middleware/record.ts'
import { BoundedBodies } from './requests/bounded-body.ts'
import { readInput } from './requests/read-input.ts'
import { ROUTES } from './routes/all.ts'
import type { ApiDeps, Route, RouteHandler } from './types.ts'

/** Builds the application: every route over the parts given. It knows no port and no platform. */
export function createApp(deps: ApiDeps): ApiApp {
  const { config, clock, log, readiness } = deps
  const app = new ApiApp(ROUTES)
  const sendError = handleErrors(log)
  const metrics = deps.metrics ? createHttpMetrics(deps.metrics, deps) : null

  app.use(requestRecord(app, clock, deps.snapshot?.restoreHooks))
  app.use(requestLog(clock, log, metrics))
  app.use(addTimingHeaders(clock))
  app.use(draining(readiness))
  if (deps.hosts) app.use(allowHosts(deps.hosts))
  if (config.corsOrigins) app.use(allowOrigins(config.corsOrigins))
  if (deps.keys) app.use(apiKeys(app, deps.keys))
  app.onError(sendError)
  app.notFound(notFound(app, sendError))

  const admission = new Admission(config.maxRequests, readiness)
  const bodies = new BoundedBodies(config, clock)
  if (deps.metrics) addBodyMetrics(deps.metrics, () => bodies.waiting)
  const intake = { bodies, admission, limits: config }
  const keyLimits = new KeyLimits(config.keyLimits, clock)
  /** Inference is refused before its body is read where there is no room; it takes its permit with the whole body. */
  const admit =
    (route: Route, handler: RouteHandler): RouteHandler =>
    async (c) => {
      const record = c.get('record')
      keyLimits.enter(record)
      try {
        return await readInput(c, route, intake, async () => handler(c))
      } finally {
        keyLimits.charge(record)
      }
    }

  for (const route of ROUTES) {
    const handler = route.handler(deps, ROUTES)
    if (handler === null) continue
    app.addRoute(route, route.request === undefined ? handler : admit(route, handler))
  }
  return app
}
