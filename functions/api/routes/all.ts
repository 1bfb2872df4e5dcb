import type { Route } from '../types.ts'
import { refreshRoute } from './admin.ts'
import { classifyRoute } from './classify.ts'
import { cohereClassifyRoute } from './cohere-classify.ts'
import { cohereEmbedRoute } from './cohere-embed.ts'
import { embedRoute } from './embed.ts'
import { livenessRoute, readinessRoutes } from './health.ts'
import { infoRoute } from './info.ts'
import { metricsRoute } from './metrics.ts'
import { modelRoute, modelsRoute } from './models.ts'
import { openaiEmbeddingsRoute } from './openai-embeddings.ts'
import { openapiRoute } from './openapi.ts'
import { snapshotRoutes } from './snapshot.ts'

/** Every route, in the order of `/openapi.json`. An unknown path is guarded as the first one that begins as it does. */
export const ROUTES: readonly Route[] = [
  embedRoute,
  openaiEmbeddingsRoute,
  classifyRoute,
  cohereClassifyRoute,
  cohereEmbedRoute,
  modelsRoute,
  modelRoute,
  infoRoute,
  refreshRoute,
  livenessRoute,
  ...readinessRoutes,
  ...snapshotRoutes,
  metricsRoute,
  openapiRoute,
]
