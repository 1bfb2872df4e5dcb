import type { Encoder } from '../../encoder/types.ts'
import { type FollowedModel, RegistryFollower } from '../../following/registry-follower.ts'
import type { RegistryMemory } from '../../following/registry-memory.ts'
import { RegistryWatch } from '../../following/registry-watch.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import { CHAMPION, formatModelVersion, parseModelAddress } from '../../lib/text/model-address.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'
import { readHeadCard } from '../../versions/head-version.ts'
import type { ClassifierEntry, LiveModels } from '../classifiers.ts'
import { ShadowRunner } from '../shadow/shadow-runner.ts'
import { ShadowStats } from '../shadow/shadow-stats.ts'
import { createBuiltinModels } from './builtin-models.ts'
import { HeadCache } from './head-cache.ts'
import { HeadStack } from './head-stack.ts'
import { type EncoderSupply, HeadsByEncoder } from './heads-by-encoder.ts'
import { leaseHeads } from './lease-heads.ts'
import { ModelFaults } from './model-faults.ts'
import {
  chooseServedVersion,
  listClassifiers,
  nameParam,
  type ResolveParts,
  resolveClassifiers,
} from './resolve-classifiers.ts'
import { type ServedModel, ServedModels } from './served-models.ts'

/** Everything is read again this often, which repairs what the index hint missed. */
const SWEEP_MS = 300_000
/** Columns of the heads in one projection: a hundredth of the work of the encoder itself. */
const MAX_STACK_COLUMNS = 2_048

/** What live models are made with. */
export interface LiveModelsOptions {
  /** The default encoder, which may change, and where heads of other families find theirs. */
  readonly supply: EncoderSupply
  readonly registry: RegistryReader
  /** What was known of the registry before, to serve where it cannot be read at first; told of all that is read. */
  readonly memory?: RegistryMemory | null | undefined
  /** The models to begin with, where the registry is known to be away. */
  readonly seed?: Iterable<FollowedModel> | undefined
  /** `timer` looks at the registry every `pollMs`; `request` as a request comes and the last look is older. */
  readonly follow: 'timer' | 'request'
  readonly pollMs: number
  readonly headsBytes: number
  /** Longest wait of a request for heads that have to join the projection, milliseconds. */
  readonly waitMs: number
  readonly maxStackColumns?: number | undefined
  readonly clock: Clock
  readonly log: Logger
}

/** Starts to follow a registry; heads are loaded as they are asked for. */
export function createLiveModels(options: LiveModelsOptions): LiveModels {
  const { supply, registry, clock, log } = options
  const maxColumns = options.maxStackColumns ?? MAX_STACK_COLUMNS
  const counts = { loaded: 0, evicted: 0 }
  const unread = new Set<string>()
  const cache: HeadCache = new HeadCache({
    registry,
    workers: supply.current.info.workers,
    maxBytes: options.headsBytes,
    onLoad({ key, answers }, version) {
      counts.loaded++
      if (answers.unread === undefined || unread.has(key)) return
      unread.add(key)
      const model = formatModelVersion(version)
      log.warn({ model, schema: answers.unread }, 'answers file of a later release left aside')
    },
    onEvict: () => counts.evicted++,
  })
  const createStack = (of: Encoder) =>
    new HeadStack({
      encoder: of,
      maxColumns,
      waitMs: options.waitMs,
      keeps: (head) => cache.keeps(head),
    })
  const byEncoder = new HeadsByEncoder(supply, createStack)
  const stats = new ShadowStats()
  const runner = new ShadowRunner({ cache, byEncoder, stats, log })
  const follower = new RegistryFollower({
    registry,
    sweepMs: SWEEP_MS,
    monotonicMs: clock.monotonicMs,
  })
  if (options.seed) follower.seed(options.seed)
  const serving = { registry, prepare, monotonicMs: clock.monotonicMs, log }
  const served = new ServedModels(serving)
  const held = () => [...served.held, ...supply.held]
  const faults = new ModelFaults({ ...serving, follower, held })
  const watch = new RegistryWatch({
    follower,
    url: registry.url,
    follow: options.follow,
    pollMs: options.pollMs,
    async onLook(swept) {
      const retry = supply.follow(follower.models, swept) || swept
      if (retry) runner.retryRefused()
      if (retry) faults.retryAll()
      const changes = await served.follow(follower.models, retry)
      await faults.recheck((version) => prepare(version, null))
      await remember()
      // The default encoder moves when it is ready, and says so itself.
      const { name, alias } = supply.followed ?? {}
      const moved = changes.filter(
        (each) => each.change !== 'alias' || each.model !== name || each.alias !== alias,
      )
      return [...moved, ...faults.noteUnreadable()]
    },
    clock,
    log,
  })
  const seeding = options.seed ? served.follow(follower.models, false) : null
  if (options.seed) supply.follow(follower.models, false)
  let remembered = 0
  async function remember(): Promise<void> {
    if (!options.memory || remembered === follower.changes) return
    remembered = follower.changes
    try {
      await options.memory.remember(follower.models.values())
    } catch (error) {
      log.warn({ err: error }, 'what the registry says cannot be kept for a start without it')
    }
  }

  const isEncoder = (name: string) => name === supply.current.info.name.toLowerCase()
  const family = () => supply.current.info.family
  const names: ResolveParts = { follower, served, watch, isEncoder, family }
  const builtin = createBuiltinModels(names, () => follower.known, serving)

  supply.attach({
    async warm(next) {
      let columns = 0
      const heads = cache.loaded().filter(({ head, columns: own }) => {
        const fits = head.family === next.info.family && head.dimension === next.info.dimension
        if (!fits || columns + own > maxColumns) return false
        columns += own
        return true
      })
      if (heads.length > 0) (await byEncoder.of(next).stack.lease(heads)).release()
    },
    needsFamily: (family) => served.needsFamily(family),
  })

  /** A version that replaces one in use joins the projection at once; others are only proved sound. */
  async function prepare(
    version: RegistryVersion,
    replaced: RegistryVersion | null,
  ): Promise<void> {
    const { group, release } = await byEncoder.acquire(version)
    try {
      const head = await cache.get(version, group.encoder.info)
      if (replaced && cache.has(replaced)) (await group.stack.lease([head])).release()
    } finally {
      release()
    }
  }

  async function describe(name: string, chosen?: number): Promise<ClassifierEntry | null> {
    const model = served.get(name)
    return model?.followed.kind === 'classifier' ? describeClassifier(model, stats, chosen) : null
  }

  return {
    async acquire(addresses, request = {}) {
      if (seeding) await seeding
      const parts = await builtin.catchUp(addresses)
      const resolved = await resolveClassifiers(parts, addresses, request.routeKey)
      request.onVersions?.(resolved.map(({ version }) => formatModelVersion(version)))
      return leaseHeads(
        { cache, byEncoder, runner, faults, maxBytes: options.headsBytes },
        resolved,
        request,
      )
    },
    async list() {
      await watch.catchUp().catch(() => {})
      const entries = await Promise.all(
        listClassifiers(follower.models).map(({ name }) => describe(name)),
      )
      return entries.filter((entry) => entry !== null)
    },
    async find(text) {
      const address = parseModelAddress(text)
      await watch.catchUp().catch(() => {})
      const { name, selector } = address
      const model = served.get(name)
      if (model?.followed.kind !== 'classifier') return null
      if (selector.kind === 'default') return describe(name)
      const version = chooseServedVersion(model, address, undefined, 'model')
      if (model.followed.versions.includes(version)) return describe(name, version)
      await nameParam('model', () => model.manifests.get(version))
      return describe(name, version)
    },
    async refresh() {
      const { changes, failure } = await watch.lookAgain()
      return { changes: [...changes, ...(await supply.settle())], failure }
    },
    revalidate: () => watch.revalidate(),
    stats: () => ({
      ...counts,
      refused: served.refusals,
      heads: cache.size,
      bytes: cache.bytes,
      shadows: stats.totals(),
    }),
    registryStatus: () => ({
      status: follower.isSeeded ? 'offline' : watch.failure ? 'away' : 'up',
      successAgeMs: watch.successAgeMs,
    }),
    degraded: () => faults.list(),
    faultOf: (name) => follower.unreadable.get(name),
    async close() {
      runner.close()
      await watch.close()
    },
  }
}

/** A served classifier as lists show it: the version that its name means, or the one chosen. */
export async function describeClassifier(
  { followed, state, manifests }: ServedModel,
  shadows: ShadowStats,
  chosen?: number,
): Promise<ClassifierEntry> {
  const { name, versions } = followed
  const version = chosen ?? state.aliases[CHAMPION] ?? null
  const shown = version ?? versions.at(-1)
  const manifest = shown === undefined ? null : await manifests.get(shown).catch((): null => null)
  const { traffic, shadow } = state
  return {
    kind: 'classifier',
    name,
    version,
    versions,
    aliases: state.aliases,
    traffic,
    shadow: shadow && {
      ...shadows.summarize(name, shadow.version),
      samplePercent: shadow.samplePercent,
    },
    family: manifest?.family ?? null,
    labels: manifest ? (readHeadCard(manifest)?.labelCount ?? null) : null,
    createdSeconds: manifest ? Math.floor(Date.parse(manifest.createdAt) / 1000) : 0,
  }
}
