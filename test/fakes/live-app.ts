import { Registry as MetricsRegistry } from 'prom-client'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import type { EncoderSources } from '../../shared/encoders/encoder-sources.ts'
import type { RegistryMemory } from '../../shared/following/registry-memory.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import { parseConfig } from '../../shared/lib/config/config.ts'
import type { RegistryReader } from '../../shared/registry/types.ts'
import { openDefaultEncoder } from '../../shared/serving/live/open-default-encoder.ts'
import { createReadiness } from '../../shared/serving/readiness.ts'
import { createLiveService, type LiveService } from '../../shared/serving/services.ts'
import { createMemoryLogger } from './api-deps.ts'

/** An application that follows a registry, encoders and heads alike. */
export interface LiveApp {
  readonly app: ApiApp
  readonly live: LiveService
  readonly log: ReturnType<typeof createMemoryLogger>
}

/** Builds the application as boot does; it looks at the registry when a test says so. */
export async function openLiveApp(options: {
  readonly encoder: string
  readonly registry: RegistryReader
  readonly sources: EncoderSources
  readonly env?: Record<string, string>
  readonly memory?: RegistryMemory | null
}): Promise<LiveApp> {
  const env = { ESPALIER_FOLLOW: 'request', ESPALIER_POLL_SECONDS: '3600', ...options.env }
  const config = parseConfig(env)
  const log = createMemoryLogger()
  const parts = { memory: null, ...options, config, log }
  const opened = await openDefaultEncoder({
    ...parts,
    openRegistry: async () => options.registry,
    ahead: null,
  })
  const live = createLiveService({ ...parts, opened, clock: systemClock })
  const readiness = createReadiness()
  readiness.markReady()
  const app = createApp({
    ...live,
    config,
    log,
    clock: systemClock,
    readiness,
    version: '0.0.0',
    metrics: new MetricsRegistry(),
  })
  return { app, live, log }
}
