import { parseSecretArn } from '../../shared/aws/address.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import type { LiveKeys } from '../../shared/lib/live-keys.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import type { RestoreHooks } from '../../shared/lib/restore-hooks.ts'
import type { EncoderParts } from './encoders.ts'
import { checkExposure, checkOrigins, checkPort, chooseHosts, loadKeys } from './guard.ts'
import type { RegistryParts } from './registry.ts'
import type { ServeParts } from './serve/start-server.ts'
import type { Boot, ServeOptions } from './types.ts'

/** What a server is opened from. */
export interface OpenServerOptions {
  readonly config: Config
  readonly registry: RegistryParts
  readonly encoders: EncoderParts
  readonly restoreHooks: RestoreHooks
  readonly version: string
  /** Nothing but a gateway can reach this machine, as on Lambda. */
  readonly isSealed: boolean
  readonly openSecret: Boot['openSecret']
  readonly log: Logger
}

/** The ways of serving: over a port, as an application for hosts that bring events, and within a program. */
export function createServerParts(
  options: OpenServerOptions,
): Pick<Boot, 'openApp' | 'openService' | 'serve'> {
  const { config, isSealed, restoreHooks, openSecret, log } = options
  const openKeys = () =>
    loadKeys(config, {
      openSecret: (arn) => openSecret(parseSecretArn(arn), { restoreHooks }),
      clock: systemClock,
      log,
    })
  return {
    async openApp() {
      const keys = await openKeys()
      checkOrigins(config, keys !== undefined)
      return open(options, {}, keys, async (parts) => {
        const { openEncoderApp } = await import('./serve/start-server.ts')
        return openEncoderApp(parts)
      })
    },
    async openService(serve = {}) {
      const load = () => import('./start-service.ts')
      return open(
        options,
        serve,
        undefined,
        async (parts) => (await load()).openService(parts),
        load,
      )
    },
    async serve(serve = {}) {
      const { host = config.host, port = config.port } = serve
      const keys = await openKeys()
      checkExposure({ host, open: config.open }, keys, isSealed, log)
      checkOrigins(config, keys !== undefined)
      const hosts = chooseHosts({ host, hosts: config.hosts }, keys !== undefined, isSealed)
      await checkPort({ host, port })
      return open(options, serve, keys, async (parts) => {
        const { startEncoderServer } = await import('./serve/start-server.ts')
        return startEncoderServer({ ...parts, hosts }, serve.signal)
      })
    },
  }
}

/** Opens the encoder and the registry for a server; what has been opened is closed where `start` fails. */
async function open<T>(
  { config, registry, encoders, restoreHooks, version, log }: OpenServerOptions,
  serve: ServeOptions,
  keys: LiveKeys | undefined,
  start: (parts: ServeParts) => Promise<T>,
  preload: () => Promise<unknown> = () => import('./serve/start-server.ts'),
): Promise<T> {
  const { host = config.host, port = config.port, model: encoder = config.encoder } = serve
  if (serve.offlineOk) registry.allowOffline()
  const offlineOk = registry.isOfflineOk() ? '1' : '0'
  const settings = { ...config, host, port, offlineOk } as const
  let markVerified = () => {}
  const verified = new Promise<void>((resolve) => {
    markVerified = resolve
  })
  // Loaded while the workers load the encoder; a failure shows where it is wanted.
  const loadServer = () => {
    preload().catch(() => {})
    markVerified()
  }
  try {
    const [{ openDefaultEncoder }, sources, memory] = await Promise.all([
      import('../../shared/serving/live/open-default-encoder.ts'),
      encoders.openSources(serve, encoders.servedQueue, loadServer),
      registry.openMemory(),
    ])
    const parts = { sources, memory, config: settings, log, version }
    const opened = await openDefaultEncoder({
      ...parts,
      encoder,
      clock: systemClock,
      openRegistry: registry.open,
      ahead: registry.mayHave(encoder) ? null : { verified },
      signal: serve.signal,
    })
    const models = { ...parts, keys, restoreHooks, opened, registry: await registry.open() }
    return await start({ ...models, close: registry.close })
  } catch (error) {
    keys?.close()
    await registry.close().catch(() => {})
    throw error
  }
}
