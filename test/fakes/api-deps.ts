import { Registry } from 'prom-client'
import type { ServerDeps } from '../../functions/api/server.ts'
import type { Encoder } from '../../shared/encoder/types.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import { parseConfig } from '../../shared/lib/config/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openMemoryStore } from '../../shared/registry/stores/memory/store.ts'
import type { RegistryReader } from '../../shared/registry/types.ts'
import { createLiveModels, type LiveModelsOptions } from '../../shared/serving/live/live-models.ts'
import { createStaticDirectory } from '../../shared/serving/models.ts'
import { createReadiness } from '../../shared/serving/readiness.ts'
import { createServices } from '../../shared/serving/services.ts'
import { createFakeEncoder } from './fake-encoder.ts'

/** A log line as a test sees it. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string | undefined
}

/** A logger that keeps its lines. */
export function createMemoryLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const write = (level: LogLine['level']) => (fields: object, message?: string) => {
    lines.push({ level, fields: { ...fields }, message })
  }
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  }
}

/** Parts of a server around a fake encoder and an empty registry; ready unless told otherwise. */
export function createApiDeps(
  options: {
    encoder?: Encoder
    env?: Record<string, string>
    starting?: boolean
    registry?: RegistryReader
    live?: Partial<LiveModelsOptions>
  } = {},
): ServerDeps & { readonly log: ReturnType<typeof createMemoryLogger> } {
  const encoder = options.encoder ?? createFakeEncoder()
  const config = parseConfig({ PORT: '0', ...options.env })
  const encoders = createStaticDirectory([encoder], 1_700_000_000)
  const log = createMemoryLogger()
  const classifiers = createLiveModels({
    encoder,
    registry: options.registry ?? openRegistry(openMemoryStore()),
    follow: 'request',
    pollMs: 3_600_000,
    headsBytes: config.headsBytes,
    waitMs: config.queueTimeoutMs,
    clock: systemClock,
    log,
    ...options.live,
  })
  const readiness = createReadiness()
  if (!options.starting) readiness.markReady()
  return {
    services: createServices({ encoders, classifiers, limits: config }),
    encoders,
    classifiers,
    config,
    log,
    clock: systemClock,
    readiness,
    version: '0.0.0',
    metrics: new Registry(),
    async close() {
      await classifiers.close()
      await encoder.close()
    },
  }
}
