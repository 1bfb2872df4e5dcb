import { EspalierError } from '../../../shared/lib/errors.ts'
import type { SnapshotHooks } from '../../../shared/serving/snapshot-hooks.ts'
import { isOnThisMachine } from '../middleware/access.ts'
import type { ApiApp, ApiMiddleware } from '../types.ts'

/**
 * `POST /admin/snapshot/before` and `/after`: called by the Lambda Web Adapter around a snapshot (SnapStart), and by
 * nobody on another machine.
 */
export function addSnapshotRoutes(app: ApiApp, hooks: SnapshotHooks): void {
  const local: ApiMiddleware = async (c, next) => {
    if (isOnThisMachine(c)) return next()
    throw new EspalierError('forbidden', `${c.req.path} answers to this machine alone`)
  }
  app.post('/admin/snapshot/before', local, async (c) => {
    await hooks.beforeSnapshot()
    return c.body(null, 204)
  })
  app.post('/admin/snapshot/after', local, async (c) => {
    await hooks.afterRestore()
    return c.body(null, 204)
  })
}
