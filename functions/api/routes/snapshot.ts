import { requireThisMachine } from '../middleware/access.ts'
import type { Route } from '../types.ts'

/**
 * `POST /admin/snapshot/before` and `/after`: called by the Lambda Web Adapter around a snapshot (SnapStart), and by
 * nobody on another machine. They ask for no key.
 */
export const snapshotRoutes: readonly Route[] = (
  [
    ['before', 'beforeSnapshot'],
    ['after', 'afterRestore'],
  ] as const
).map(([when, hook]) => ({
  method: 'post',
  path: `/admin/snapshot/${when}`,
  scope: null,
  handler({ snapshot }) {
    if (snapshot === undefined) return null
    return async (c) => {
      requireThisMachine(c)
      await snapshot[hook]()
      return c.body(null, 204)
    }
  },
}))
