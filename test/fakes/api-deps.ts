import { Registry } from 'prom-client'
import type { ServerDeps } from '../../functions/api/server.ts'
import type { Encoder } from '../../shared/encoder/types.ts'
import type { EncoderSources } from '../../shared/encoders/encoder-sources.ts'
import type { RegistryMemory } from '../../shared/following/registry-memory.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import { parseConfig } from '../../shared/lib/config/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openMemoryStore } from '../../shared/registry/stores/memory/store.ts'
import type { RegistryReader } from '../../shared/registry/types.ts'
import { openDefaultEncoder } from '../../shared/serving/live/open-default-encoder.ts'
import { createReadiness } from '../../shared/serving/readiness.ts'
import { createLiveService } from '../../shared/serving/services.ts'
import { createFakeEncoder } from './fake-encoder.ts'
import { createFakeSources } from './fake-sources.ts'

/** When the test servers say that they started. */
const STARTED_MS = 1_700_000_000_000

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

/** Parts of a server, and what it has logged. */
export type ApiTestDeps = ServerDeps & { readonly log: ReturnType<typeof createMemoryLogger> }

/**
 * Parts of a server around a fake encoder and an empty registry, as boot puts them together; ready unless told
 * otherwise. It looks at the registry when a test says so.
 */
export async function createApiDeps(
  options: {
    readonly encoder?: Encoder
    /** Other encoders; needs the `name` of the one to begin with. */
    readonly sources?: EncoderSources
    readonly name?: string
    readonly env?: Record<string, string>
    readonly starting?: boolean
    readonly registry?: RegistryReader
    readonly memory?: RegistryMemory | null
    readonly monotonicMs?: () => number
  } = {},
): Promise<ApiTestDeps> {
  const { encoder = createFakeEncoder(), registry = openRegistry(openMemoryStore()) } = options
  const { sources = sourcesOf(encoder), name = encoder.info.name, memory = null } = options
  const env = {
    PORT: '0',
    ESPALIER_FOLLOW: 'request',
    ESPALIER_POLL_SECONDS: '3600',
    ESPALIER_ADMIN_LOCAL: '1',
  }
  const config = parseConfig({ ...env, ...options.env })
  const log = createMemoryLogger()
  const { monotonicMs = systemClock.monotonicMs } = options
  const clock = { wallMs: () => STARTED_MS, monotonicMs }
  const parts = { registry, memory, sources, config, clock, log }
  const opened = await openDefaultEncoder({
    ...parts,
    encoder: name,
    openRegistry: async () => registry,
    ahead: null,
  })
  const live = createLiveService({ ...parts, opened })
  const readiness = createReadiness()
  if (!options.starting) readiness.markReady()
  return { ...live, config, log, clock, readiness, version: '0.0.0', metrics: new Registry() }
}

/** A machine that has one encoder, open already. */
function sourcesOf(encoder: Encoder): EncoderSources {
  const { name } = encoder.info
  const source = { key: name, label: name, bytes: 0, open: async () => ({ encoder, bytes: 0 }) }
  return { ...createFakeSources(), ofLocal: () => source }
}
