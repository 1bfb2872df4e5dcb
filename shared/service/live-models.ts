import type { Encoder } from '../encoder/types.ts'
import type { HeadPlace } from '../head/columns.ts'
import type { Clock } from '../lib/clock.ts'
import { EspalierError, isEspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { CHAMPION, parseModelAddress } from '../lib/model-address.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'
import type { ClassifierEntry, LiveModels } from './classifiers.ts'
import {
  chooseServedVersion,
  classifierNotFound,
  findOnlyClassifier,
  listClassifiers,
} from './find-classifier.ts'
import { type CachedHead, HeadCache } from './head-cache.ts'
import { HeadStack, type StackLayout } from './head-stack.ts'
import { readHeadCard } from './head-version.ts'
import { RegistryFollower } from './registry-follower.ts'
import { RegistryWatch } from './registry-watch.ts'
import { ServedModels } from './served-models.ts'

/** Everything is read again this often, which repairs what the index hint missed. */
const SWEEP_MS = 300_000
/** Columns of the heads in one projection: a hundredth of the work of the encoder itself. */
const MAX_STACK_COLUMNS = 2_048
/** A request for something unknown looks again when the last look is this old, milliseconds. */
const MISS_REFRESH_MS = 500

/** What live models are made with. */
export interface LiveModelsOptions {
  readonly encoder: Encoder
  readonly registry: RegistryReader
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
  const { encoder, registry, clock, log } = options
  const counts = { loaded: 0, evicted: 0 }
  const cache: HeadCache = new HeadCache({
    registry,
    encoder: encoder.info,
    maxBytes: options.headsBytes,
    onLoad: () => counts.loaded++,
    onEvict: () => counts.evicted++,
  })
  const stack = new HeadStack({
    encoder,
    maxColumns: options.maxStackColumns ?? MAX_STACK_COLUMNS,
    waitMs: options.waitMs,
    keeps: (head) => cache.keeps(head),
  })
  const follower = new RegistryFollower({
    registry,
    sweepMs: SWEEP_MS,
    monotonicMs: clock.monotonicMs,
  })
  const served = new ServedModels({ registry, prepare, log })
  const watch = new RegistryWatch({
    follower,
    url: registry.url,
    follow: options.follow,
    pollMs: options.pollMs,
    onLook: (swept) => served.follow(follower.models, swept),
    clock,
    log,
  })

  /** A version that replaces one in use joins the projection at once; others are only proved sound. */
  async function prepare(
    version: RegistryVersion,
    replaced: RegistryVersion | null,
  ): Promise<void> {
    const head = await cache.get(version)
    if (replaced && cache.has(replaced)) (await stack.lease([head])).release()
  }

  async function resolve(text: string, param: string, routeKey: string | undefined) {
    const address = parseModelAddress(text, param)
    const { name } = address
    if (name === encoder.info.name.toLowerCase()) {
      const message = `${param}: ${name} is an encoder; name a classifier, GET /v1/models lists them`
      throw new EspalierError('wrong_model_kind', message, { param })
    }
    const model = served.get(name)
    if (!model) throw classifierNotFound(name, follower.models, param)
    const version = await nameParam(param, async () =>
      model.book.get(chooseServedVersion(model, address, routeKey, param)),
    )
    return { name, version, param }
  }

  async function resolveAll(addresses: readonly string[] | null, routeKey: string | undefined) {
    const names = addresses ?? [findOnlyClassifier(follower.models)]
    const isList = names.length > 1
    return Promise.all(
      names.map((text, i) => resolve(text, isList ? `model[${i}]` : 'model', routeKey)),
    )
  }

  /** What is unknown may have been published a moment ago. */
  async function resolveFresh(addresses: readonly string[] | null, routeKey: string | undefined) {
    try {
      return await resolveAll(addresses, routeKey)
    } catch (error) {
      const unknown =
        isEspalierError(error, 'model_not_found') || isEspalierError(error, 'version_not_found')
      if (!unknown || watch.ageMs < MISS_REFRESH_MS) throw error
      await watch.refresh()
      return resolveAll(addresses, routeKey)
    }
  }

  async function describe(name: string, chosen?: number): Promise<ClassifierEntry | null> {
    const model = served.get(name)
    if (model?.followed.kind !== 'classifier') return null
    const { followed, state, book } = model
    const version = chosen ?? state.aliases[CHAMPION] ?? null
    const shown = version ?? followed.versions.at(-1)
    const manifest = shown === undefined ? null : await book.get(shown).catch((): null => null)
    return {
      kind: 'classifier',
      name,
      version,
      versions: followed.versions,
      aliases: state.aliases,
      family: manifest?.family ?? null,
      labels: manifest ? (readHeadCard(manifest)?.labelCount ?? null) : null,
      createdSeconds: manifest ? Math.floor(Date.parse(manifest.createdAt) / 1000) : 0,
    }
  }

  return {
    async acquire(addresses, { routeKey, signal } = {}) {
      await watch.catchUp()
      const resolved = await resolveFresh(addresses, routeKey)
      const cached = await Promise.all(
        resolved.map(({ version, param }) => nameParam(param, () => cache.get(version))),
      )
      const distinct = [...new Set(cached)]
      checkBytes(distinct, options.headsBytes)
      const lease = await stack.lease(distinct, signal)
      const heads = resolved.map(({ name, version }, i) => {
        const own = cached[i] as CachedHead
        const place = (layout: StackLayout) => layout.places.get(own) as HeadPlace
        const memory = own.head.memory ? own.id : null
        return { name, version: version.version, head: own.head, place, memory }
      })
      return { heads, layout: lease.layout, release: lease.release }
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
      await nameParam('model', () => model.book.get(version))
      return describe(name, version)
    },
    refresh: () => watch.refresh(),
    stats: () => ({
      ...counts,
      refused: served.refusals,
      heads: cache.size,
      bytes: cache.bytes,
    }),
    close: () => watch.close(),
  }
}

/** Says which of the caller's models an error is about. */
async function nameParam<T>(param: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof EspalierError) || error.param !== undefined) throw error
    const { code, message, retryAfterSeconds } = error
    const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
    throw new EspalierError(code, message, { cause: error, param, ...retry })
  }
}

function checkBytes(heads: readonly CachedHead[], limit: number): void {
  const bytes = heads.reduce((sum, head) => sum + head.bytes, 0)
  if (bytes <= limit) return
  throw new EspalierError(
    'invalid_request',
    `the classifiers of this request take ${bytes} bytes together; ESPALIER_HEADS_BYTES allows ${limit}: ask for fewer at once`,
    { param: 'model' },
  )
}
