import type { EncoderSources } from '../encoders/encoder-sources.ts'
import type { RegistryMemory } from '../following/registry-memory.ts'
import type { Clock } from '../lib/clock.ts'
import type { Config } from '../lib/config/config.ts'
import type { Logger } from '../lib/logger.ts'
import type { RegistryReader } from '../registry/types.ts'
import type { LiveModels } from './classifiers.ts'
import { type ClassifyDeps, type ClassifyInput, type ClassifyResult, classify } from './classify.ts'
import { type EmbedDeps, type EmbedInput, type EmbedResult, embed } from './embed.ts'
import { createLiveDirectory } from './live/live-directory.ts'
import { createLiveModels } from './live/live-models.ts'
import type { DefaultEncoder } from './live/open-default-encoder.ts'
import type { EncoderDirectory } from './models.ts'
import type { InputLimits } from './read-inputs.ts'
import { AnswerWatch } from './watch/answer-watch.ts'

/** What a server's models are made with. */
export interface LiveServiceOptions {
  /** Closed with the service. */
  readonly opened: DefaultEncoder
  readonly registry: RegistryReader
  /** Told of all that is read; null where nothing is kept. */
  readonly memory: RegistryMemory | null
  readonly sources: EncoderSources
  readonly config: Pick<
    Config,
    'follow' | 'pollSeconds' | 'headsBytes' | 'queueTimeoutMs' | 'drift' | 'driftWindow'
  > &
    InputLimits
  readonly clock: Clock
  readonly log: Logger
}

/** Everything that answers requests, following the registry. */
export interface LiveService {
  readonly services: Services
  readonly encoders: EncoderDirectory
  readonly classifiers: LiveModels
  /** What was answered. */
  readonly watch: Pick<AnswerWatch, 'list'>
  /** Stops following, lets accepted work finish, closes the encoders. */
  close(): Promise<void>
}

/** Starts to follow the registry over an open encoder. */
export function createLiveService(options: LiveServiceOptions): LiveService {
  const { opened, registry, sources, config, clock, log } = options
  const { encoders: live, pools, heads, seed } = opened
  const classifiers = createLiveModels({
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
  heads.bytes = () => classifiers.stats().bytes
  const encoders = createLiveDirectory({
    encoders: live,
    pools,
    sources,
    startedSeconds: Math.floor(clock.wallMs() / 1000),
    faultOf: (name) => classifiers.faultOf(name),
    revalidate: () => classifiers.revalidate(),
  })
  const window = config.drift === 'on' ? config.driftWindow : null
  const watch = new AnswerWatch({ window, clock, log })
  return {
    services: createServices({ encoders, classifiers, watch, limits: config }),
    encoders,
    classifiers,
    watch,
    async close() {
      await classifiers.close()
      await live.close()
    },
  }
}

/** What the use cases work with. */
export interface ServiceDeps extends EmbedDeps, ClassifyDeps {}

/** The use cases that a server offers, bound to their parts. */
export interface Services {
  embed(request: EmbedInput): Promise<EmbedResult>
  classify(request: ClassifyInput): Promise<ClassifyResult>
}

/** Binds every use case to the parts it works with. */
export function createServices(deps: ServiceDeps): Services {
  return {
    embed: (request) => embed(deps, request),
    classify: (request) => classify(deps, request),
  }
}
