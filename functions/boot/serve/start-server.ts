import { systemClock } from '../../../shared/lib/clock.ts'
import type { Config } from '../../../shared/lib/config/config.ts'
import type { LiveKeys } from '../../../shared/lib/live-keys.ts'
import type { Logger } from '../../../shared/lib/logger.ts'
import type { RestoreHooks } from '../../../shared/lib/restore-hooks.ts'
import { createReadiness } from '../../../shared/serving/readiness.ts'
import { createLiveService, type LiveServiceOptions } from '../../../shared/serving/services.ts'
import { createSnapshotHooks, type SnapshotHooks } from '../../../shared/serving/snapshot-hooks.ts'
import type { ApiApp } from '../../api/api-app.ts'
import { createApp } from '../../api/app.ts'
import { createMetricsRegistry } from '../../api/metrics/http.ts'
import { type ServerDeps, startServer } from '../../api/server.ts'

/** The application without a server, for hosts that bring requests as events. */
export interface RunningApp {
  readonly app: ApiApp
  readonly snapshot: SnapshotHooks
  close(): Promise<void>
}

/** A running server; `closed` resolves with the exit code. */
export interface RunningServer {
  readonly url: string
  readonly closed: Promise<number>
}

/** What a server is started from. */
export interface ServeParts extends Omit<LiveServiceOptions, 'clock'> {
  readonly config: Config
  readonly log: Logger
  readonly version: string
  readonly keys: LiveKeys | undefined
  /** What the parts do after a restore from a snapshot. */
  readonly restoreHooks: RestoreHooks
  /** Releases what the models came from, once a server that ran is closed. */
  close(): Promise<void>
}

/** With the hosts that it answers as; null for any. */
type HttpParts = ServeParts & { readonly hosts: readonly string[] | null }

/** Makes everything that answers requests over an open encoder. */
function createDeps(parts: HttpParts) {
  const { config, log, version, keys, hosts, restoreHooks } = parts
  const clock = systemClock
  const { close: closeModels, ...live } = createLiveService({ ...parts, clock })
  const snapshot = createSnapshotHooks({ restoreHooks, models: live.classifiers, keys, log })
  const deps: ServerDeps = {
    ...live,
    config,
    log,
    clock,
    readiness: createReadiness(),
    version,
    keys,
    hosts: hosts ?? undefined,
    metrics: config.metrics === 'on' ? createMetricsRegistry() : undefined,
    snapshot,
    async close() {
      keys?.close()
      await closeModels()
      await parts.close()
    },
  }
  return { deps, snapshot, closeModels }
}

/** The application over an open encoder; ready at once. */
export function openEncoderApp(parts: ServeParts): RunningApp {
  const { deps, snapshot } = createDeps({ ...parts, hosts: null })
  deps.readiness.markReady()
  return { app: createApp(deps), snapshot, close: deps.close }
}

/** Starts the HTTP server over an open encoder; aborting the signal stops it in order. */
export async function startEncoderServer(
  parts: HttpParts,
  signal: AbortSignal | undefined,
): Promise<RunningServer> {
  const { deps, closeModels } = createDeps(parts)
  try {
    const server = await startServer(deps)
    deps.readiness.markReady()
    const stop = () => void server.stop(String(signal?.reason ?? 'stopped'))
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
    return { url: server.url, closed: server.stopped }
  } catch (error) {
    await closeModels().catch(() => {})
    throw error
  }
}
