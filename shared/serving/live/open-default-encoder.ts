import { EncoderPools } from '../../encoders/encoder-pools.ts'
import type { EncoderSources } from '../../encoders/encoder-sources.ts'
import type { FollowedModel } from '../../following/registry-follower.ts'
import type { RegistryMemory } from '../../following/registry-memory.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Config } from '../../lib/config/config.ts'
import { isEspalierError, restate } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { option, say } from '../../lib/wording.ts'
import type { RegistryReader } from '../../registry/types.ts'
import type { LiveEncoders } from './live-encoders.ts'

/** What a server's encoder is opened with. */
export interface DefaultEncoderOptions {
  /** The default encoder: a name of the registry, a built-in one, or a folder. */
  readonly encoder: string
  openRegistry(): Promise<RegistryReader>
  /** What was known of the registry before; null where nothing is kept. */
  readonly memory: RegistryMemory | null
  readonly sources: EncoderSources
  /** For an encoder that the registry does not have: when its files are verified, and this thread free. */
  readonly ahead: { readonly verified: Promise<void> } | null
  readonly config: Pick<Config, 'offlineOk' | 'modelsBytes'>
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Logger
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined
}

/** The default encoder, open, with the pools that it shares with others. */
export interface DefaultEncoder {
  readonly encoders: LiveEncoders
  readonly pools: EncoderPools
  /** Memory of the heads, which share the budget of the pools. */
  readonly heads: { bytes: () => number }
  /** The models to begin with, where the registry is away. */
  readonly seed: readonly FollowedModel[] | undefined
}

/**
 * Opens the encoder that a server begins with. One of this machine is begun before the registry is read, and the
 * registry read while the workers load.
 * @throws EspalierError `model_not_found`, `registry_unavailable`, and whatever opening an encoder can throw
 */
export async function openDefaultEncoder(options: DefaultEncoderOptions): Promise<DefaultEncoder> {
  const { encoder: wanted, sources, ahead, config, log, signal } = options
  const heads = { bytes: () => 0 }
  const pools = new EncoderPools({
    maxBytes: config.modelsBytes,
    otherBytes: () => heads.bytes(),
    log,
  })
  try {
    const begun = ahead && pools.acquire(sources.ofLocal(wanted), { force: true, signal })
    if (begun) await Promise.race([begun, ahead.verified])
    const [{ LiveEncoders }, registry] = await Promise.all([
      import('./live-encoders.ts'),
      options.openRegistry(),
    ])
    const seed = await probeRegistry(options, registry)
    const { monotonicMs } = options.clock
    const live = { wanted, registry, pools, sources, monotonicMs, log }
    const encoders = await LiveEncoders.open(live, signal)
    if (begun) {
      // Where the registry has got one of the name meanwhile, it is not wanted any more.
      ;(await begun).release()
      pools.trim((encoder) => encoder === encoders.current)
    }
    return { encoders, pools, heads, seed }
  } catch (error) {
    await pools.close()
    throw error
  }
}

/** Makes sure that the registry answers; where it does not, gives what was known of it before. */
async function probeRegistry(
  options: DefaultEncoderOptions,
  registry: RegistryReader,
): Promise<readonly FollowedModel[] | undefined> {
  const { memory, config, log, signal } = options
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
    const fix = say`${option('offline-ok')} (ESPALIER_OFFLINE_OK=1) starts with what the cache has`
    throw restate(error, { wording: say`${error.wording}; ${fix}` })
  }
}
