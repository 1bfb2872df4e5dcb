import type { Encoder } from '../../shared/encoder/types.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import type { Config } from '../../shared/lib/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import type { Registry as ModelRegistry } from '../../shared/registry/types.ts'
import type { LiveModels } from '../../shared/service/classifiers.ts'
import { createLiveModels } from '../../shared/service/live-models.ts'
import { createStaticDirectory } from '../../shared/service/models.ts'
import { createReadiness } from '../../shared/service/readiness.ts'
import { createServices } from '../../shared/service/services.ts'
import { createMetricsRegistry } from '../api/metrics.ts'
import { startServer } from '../api/server.ts'

/** A running server; `closed` resolves with the exit code. */
export interface RunningServer {
  readonly url: string
  readonly closed: Promise<number>
}

/** What a server is started from. */
export interface ServeParts {
  readonly encoder: Encoder
  openRegistry(): Promise<ModelRegistry>
  readonly config: Config
  readonly log: Logger
  readonly version: string
}

/** Starts the HTTP server over a loaded encoder; aborting the signal stops it in order. */
export async function startEncoderServer(
  { encoder, openRegistry, config, log, version }: ServeParts,
  signal: AbortSignal | undefined,
): Promise<RunningServer> {
  let classifiers: LiveModels | undefined
  const close = async () => {
    await classifiers?.close()
    await encoder.close()
    await (await openRegistry()).close()
  }
  try {
    classifiers = createLiveModels({
      encoder,
      registry: await openRegistry(),
      follow: 'timer',
      pollMs: config.pollSeconds * 1000,
      headsBytes: config.headsBytes,
      waitMs: config.queueTimeoutMs,
      clock: systemClock,
      log,
    })
    const encoders = createStaticDirectory([encoder], Math.floor(systemClock.wallMs() / 1000))
    const readiness = createReadiness()
    const server = await startServer({
      services: createServices({ encoders, classifiers, limits: config }),
      encoders,
      classifiers,
      config,
      log,
      clock: systemClock,
      readiness,
      version,
      metrics: createMetricsRegistry(),
      close,
    })
    readiness.markReady()
    const stop = () => void server.stop(String(signal?.reason ?? 'stopped'))
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
    return { url: server.url, closed: server.stopped }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}
