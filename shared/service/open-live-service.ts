import type { Clock } from '../lib/clock.ts'
import type { Config } from '../lib/config.ts'
import type { Logger } from '../lib/logger.ts'
import type { RegistryReader } from '../registry/types.ts'
import type { LiveModels } from './classifiers.ts'
import { EncoderPools } from './encoder-pools.ts'
import type { EncoderSources } from './encoder-sources.ts'
import { createLiveDirectory } from './live-directory.ts'
import { LiveEncoders } from './live-encoders.ts'
import { createLiveModels } from './live-models.ts'
import type { EncoderDirectory } from './models.ts'
import { createServices, type Services } from './services.ts'

/** What a server's models are opened with. */
export interface LiveServiceOptions {
  /** The default encoder: a name of the registry, a built-in one, or a folder. */
  readonly encoder: string
  readonly registry: RegistryReader
  readonly sources: EncoderSources
  readonly config: Pick<
    Config,
    | 'follow'
    | 'pollSeconds'
    | 'headsBytes'
    | 'modelsBytes'
    | 'queueTimeoutMs'
    | 'maxInputs'
    | 'maxTextBytes'
  >
  readonly clock: Clock
  readonly log: Logger
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined
}

/** Everything that answers requests, following the registry. */
export interface LiveService {
  readonly services: Services
  readonly encoders: EncoderDirectory
  readonly classifiers: LiveModels
  /** Stops following, lets accepted work finish, closes the encoders. */
  close(): Promise<void>
}

/**
 * Opens the default encoder and starts to follow the registry.
 * @throws EspalierError `model_not_found`, `registry_unavailable`, and whatever opening an encoder can throw
 */
export async function openLiveService(options: LiveServiceOptions): Promise<LiveService> {
  const { registry, sources, config, clock, log } = options
  const counts = { headBytes: () => 0 }
  const pools = new EncoderPools({
    maxBytes: config.modelsBytes,
    otherBytes: () => counts.headBytes(),
    log,
  })
  const wanted = options.encoder
  const live = await LiveEncoders.open({ wanted, registry, pools, sources, log }, options.signal)
  const classifiers = createLiveModels({
    encoder: live.current,
    supply: live,
    registry,
    follow: config.follow,
    pollMs: config.pollSeconds * 1000,
    headsBytes: config.headsBytes,
    waitMs: config.queueTimeoutMs,
    clock,
    log,
  })
  counts.headBytes = () => classifiers.stats().bytes
  const encoders = createLiveDirectory({
    encoders: live,
    pools,
    sources,
    startedSeconds: Math.floor(clock.wallMs() / 1000),
    revalidate: () => classifiers.revalidate(),
  })
  return {
    services: createServices({ encoders, classifiers, limits: config }),
    encoders,
    classifiers,
    async close() {
      await classifiers.close()
      await live.close()
    },
  }
}
