import { type Refresh, type RefreshChange, refreshSchema } from '../../../shared/contract/admin.ts'
import type { ModelChange } from '../../../shared/following/model-changes.ts'
import { describeRoute } from '../describe-route.ts'
import { adminOnly } from '../middleware/access.ts'
import type { ApiApp, ApiDeps } from '../types.ts'

/** `POST /admin/refresh`: look at the registry now, and say what changed. */
export function addAdminRoutes(app: ApiApp, { classifiers, config }: ApiDeps): void {
  describeRoute(app, {
    method: 'post',
    path: '/admin/refresh',
    summary: 'Look at the registry now and answer what changed',
    tag: 'operations',
    response: refreshSchema,
  })
  app.post('/admin/refresh', adminOnly(config), async (c) => {
    const { changes, failure } = await classifiers.refresh()
    if (failure) throw failure
    return c.json<Refresh>({ object: 'refresh', changes: changes.map(describeChange) })
  })
}

function describeChange(change: ModelChange): RefreshChange {
  if (change.change === 'traffic') {
    return { ...change, traffic: change.traffic?.map((share) => ({ ...share })) ?? null }
  }
  if (change.change !== 'shadow') return { ...change }
  const { shadow } = change
  return {
    ...change,
    shadow: shadow && { version: shadow.version, sample_percent: shadow.samplePercent },
  }
}
