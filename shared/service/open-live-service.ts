import type { Clock } from '../lib/clock.ts'
import type { Config } from '../lib/config.ts'
import { EspalierError, isEspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { RegistryReader } from '../registry/types.ts'
import type { LiveModels } from './classifiers.ts'
import { EncoderPools } from './encoder-pools.ts'
import type { EncoderSources } from './encoder-sources.ts'
import { createLiveDirectory } from './live-directory.ts'
import { LiveEncoders } from './live-encoders.ts'
import { createLiveModels } from './live-models.ts'
import type { EncoderDirectory } from './models.ts'
import type { FollowedModel } from './registry-follower.ts'
import type { RegistryMemory } from './registry-memory.ts'
import { createServices, type Services } from './services.ts'

/** What a server's models are opened with. */
export interface LiveServiceOptions {
  /** The default encoder: a name of the registry, a built-in one, or a folder. */
  readonly encoder: string
  readonly registry: RegistryReader
  /** What was known of the registry before, told of all that is read; null where nothing is kept. */
  readonly memory: RegistryMemory | null
  readonly sources: EncoderSources
  readonly config: Pick<
    Config,
    | 'follow'
    | 'offlineOk'
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
  const seed = await probeRegistry(options)
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
    memory: options.memory,
    seed,
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

/** Makes sure that the registry answers; where it does not, gives what was known of it before. */
async function probeRegistry(
  options: LiveServiceOptions,
): Promise<readonly FollowedModel[] | undefined> {
  const { registry, memory, config, log, signal } = options
  try {
    await registry.readIndex({ signal })
    return undefined
  } catch (error) {
    // A hint that cannot be read is made up for by reading everything.
    if (!isEspalierError(error, 'registry_unavailable')) return undefined
    if (memory && config.offlineOk === '1') {
      const models = await memory.recall()
      const fields = { registry: registry.url, models: models.length, reason: error.message }
      log.warn(fields, 'started without the registry: serving what the cache has')
      return models
    }
    throw new EspalierError(
      'registry_unavailable',
      `${error.message}; --offline-ok (ESPALIER_OFFLINE_OK=1) starts with what the cache has`,
      { cause: error },
    )
  }
}
