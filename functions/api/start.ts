import { Registry } from 'prom-client'
import type { Encoder } from '../../shared/encoder/types.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import type { Config } from '../../shared/lib/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import { createStaticDirectory } from '../../shared/service/models.ts'
import { createReadiness } from '../../shared/service/readiness.ts'
import { createServices } from '../../shared/service/services.ts'
import { startServer } from './server.ts'

/** What a server is started from. */
export interface ServeParts {
  readonly encoder: Encoder
  readonly config: Config
  readonly log: Logger
  readonly version: string
  /** Aborting it stops the server in order. */
  readonly signal?: AbortSignal | undefined
}

/** Starts the HTTP server over a loaded encoder; `closed` resolves with the exit code. */
export async function startEncoderServer(
  parts: ServeParts,
): Promise<{ url: string; closed: Promise<number> }> {
  const { encoder, config, log, version, signal } = parts
  const encoders = createStaticDirectory([encoder], Math.floor(systemClock.wallMs() / 1000))
  const readiness = createReadiness()
  const server = await startServer({
    services: createServices({ encoders, limits: config }),
    encoders,
    config,
    log,
    clock: systemClock,
    readiness,
    version,
    metrics: new Registry(),
    close: () => encoder.close(),
  }).catch(async (error: unknown) => {
    await encoder.close()
    throw error
  })
  readiness.markReady()
  const stop = () => void server.stop(String(signal?.reason ?? 'stopped'))
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  return { url: server.url, closed: server.stopped }
}
