import type { KeyRing } from '../../shared/lib/api-keys.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import type { Config } from '../../shared/lib/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import {
  createLiveService,
  type LiveServiceOptions,
} from '../../shared/service/create-live-service.ts'
import { createReadiness } from '../../shared/service/readiness.ts'
import { createMetricsRegistry } from '../api/metrics.ts'
import { startServer } from '../api/server.ts'

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
  readonly keys: KeyRing | undefined
  /** Releases what the models came from, once a server that ran is closed. */
  close(): Promise<void>
}

/** Starts the HTTP server over an open encoder; aborting the signal stops it in order. */
export async function startEncoderServer(
  parts: ServeParts,
  signal: AbortSignal | undefined,
): Promise<RunningServer> {
  const { config, log, version, keys } = parts
  const clock = systemClock
  const { close: closeModels, ...live } = createLiveService({ ...parts, clock })
  const close = async () => {
    await closeModels()
    await parts.close()
  }
  try {
    const readiness = createReadiness()
    const server = await startServer({
      ...live,
      config,
      log,
      clock,
      readiness,
      version,
      keys,
      metrics: createMetricsRegistry(),
      close,
    })
    readiness.markReady()
    const stop = () => void server.stop(String(signal?.reason ?? 'stopped'))
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
    return { url: server.url, closed: server.stopped }
  } catch (error) {
    await closeModels().catch(() => {})
    throw error
  }
}
