import { every } from 'hono/combine'
import { ApiApp } from './api-app.ts'
import { createHttpMetrics } from './metrics/http.ts'
import { admission } from './middleware/admission.ts'
import { apiKeys } from './middleware/api-keys.ts'
import { draining } from './middleware/draining.ts'
import { handleErrors } from './middleware/failures.ts'
import { inputBody } from './middleware/input-body.ts'
import { jsonBody } from './middleware/json-body.ts'
import { notFound } from './middleware/not-found.ts'
import { requestLog } from './middleware/record.ts'
import { requestRecord } from './middleware/request-record.ts'
import { addTimingHeaders } from './middleware/timing-headers.ts'
import { BoundedBodies } from './requests/bounded-body.ts'
import { inputContentType, jsonContentType } from './requests/read-input.ts'
import { addAdminRoutes } from './routes/admin.ts'
import { addClassifyRoute } from './routes/classify.ts'
import { addCohereClassifyRoute } from './routes/cohere-classify.ts'
import { addCohereEmbedRoute } from './routes/cohere-embed.ts'
import { addEmbedRoute } from './routes/embed.ts'
import { addHealthRoutes } from './routes/health.ts'
import { addInfoRoute } from './routes/info.ts'
import { addMetricsRoute } from './routes/metrics.ts'
import { addModelRoutes } from './routes/models.ts'
import { addOpenAIEmbeddingsRoute } from './routes/openai-embeddings.ts'
import { addOpenApiRoute } from './routes/openapi.ts'
import { addSnapshotRoutes } from './routes/snapshot.ts'
import type { ApiDeps, ApiMiddleware } from './types.ts'

/** Builds the application: every route over the parts given. It knows no port and no platform. */
export function createApp(deps: ApiDeps): ApiApp {
  const { config, clock, log, readiness } = deps
  const app = new ApiApp()
  const sendError = handleErrors(log)
  const metrics = deps.metrics ? createHttpMetrics(deps.metrics, deps) : null

  app.use(requestRecord(clock, deps.snapshot?.renewals))
  app.use(requestLog(clock, log, metrics))
  app.use(addTimingHeaders(clock))
  app.use(draining(readiness))
  if (deps.keys) app.use(apiKeys(deps.keys))
  app.onError(sendError)
  app.notFound(notFound(app, sendError))

  // The door of every inference route: a permit first, then the content type, then the bounded body.
  const admit = admission(config.maxRequests, readiness)
  const bodies = new BoundedBodies(config)
  const door: ApiMiddleware = every(admit, jsonContentType(), jsonBody(bodies))
  const inputDoor = (field: 'input' | 'inputs'): ApiMiddleware =>
    every(admit, inputContentType(), inputBody(bodies, field, config))
  addEmbedRoute(app, deps, inputDoor('inputs'))
  addOpenAIEmbeddingsRoute(app, deps, inputDoor('input'))
  addClassifyRoute(app, deps, inputDoor('inputs'))
  addCohereClassifyRoute(app, deps, door)
  addCohereEmbedRoute(app, deps, door)
  addModelRoutes(app, deps)
  addInfoRoute(app, deps)
  addAdminRoutes(app, deps)
  addHealthRoutes(app, deps)
  if (deps.snapshot) addSnapshotRoutes(app, deps.snapshot)
  if (deps.metrics) addMetricsRoute(app, deps.metrics)
  addOpenApiRoute(app, deps)
  return app
}
