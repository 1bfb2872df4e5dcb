import { setTimeout as sleep } from 'node:timers/promises'
import type { LiveKeys } from '../lib/live-keys.ts'
import type { Logger } from '../lib/logger.ts'
import type { RestoreHooks } from '../lib/restore-hooks.ts'
import type { LiveModels } from './classifiers.ts'

/** Longest wait for the registry; Lambda allows ten seconds for all that a restore does. */
const REFRESH_WAIT_MS = 5_000

/** What a process does around a snapshot of its memory, from which many may go on. */
export interface SnapshotHooks {
  readonly restoreHooks: RestoreHooks
  /** Before the snapshot: connections are closed, as nobody is at their other end afterwards. */
  beforeSnapshot(): Promise<void>
  /** In each process that goes on: new connections, credentials and ids, and a look at registry and keys. Never throws. */
  afterRestore(): Promise<void>
}

/** Renews what the parts have registered, and looks at the registry. */
export function createSnapshotHooks(options: {
  readonly restoreHooks: RestoreHooks
  readonly models: Pick<LiveModels, 'refresh'>
  /** Those of callers: none that was revoked since the snapshot is let in. */
  readonly keys?: Pick<LiveKeys, 'expire' | 'refresh'> | undefined
  readonly log: Logger
}): SnapshotHooks {
  const { restoreHooks, models, keys, log } = options
  restoreHooks.add(() => keys?.expire())
  return {
    restoreHooks,
    async beforeSnapshot() {
      // What is known of the registry then is what a process begins with that cannot reach it.
      await look()
      restoreHooks.run()
    },
    async afterRestore() {
      restoreHooks.run()
      const changes = await look()
      log.info({ changes }, 'restored from a snapshot')
    },
  }

  /** How much changed in the registry; one that does not answer is waited for no longer, and was logged. */
  async function look(): Promise<number | null> {
    const waited = sleep(REFRESH_WAIT_MS, null, { ref: false })
    const looks = Promise.all([models.refresh(), keys?.refresh()])
    const [result] = (await Promise.race([looks, waited])) ?? []
    return result && result.failure === null ? result.changes.length : null
  }
}
