import { type Refresh, type RefreshChange, refreshSchema } from '../../../shared/contract/admin.ts'
import type { ModelChange } from '../../../shared/following/model-changes.ts'
import { requireAdmin } from '../middleware/access.ts'
import type { Route } from '../types.ts'

/** `POST /admin/refresh`: look at the registry now, and say what changed. */
export const refreshRoute: Route = {
  method: 'post',
  path: '/admin/refresh',
  scope: 'admin',
  docs: {
    summary: 'Look at the registry now and answer what changed',
    tag: 'operations',
    response: refreshSchema,
  },
  handler:
    ({ classifiers, config }) =>
    async (c) => {
      requireAdmin(c, config)
      const { changes, failure } = await classifiers.refresh()
      if (failure) throw failure
      return c.json<Refresh>({ object: 'refresh', changes: changes.map(describeChange) })
    },
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
