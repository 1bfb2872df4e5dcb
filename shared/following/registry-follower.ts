import { forEachConcurrently } from '../lib/concurrency.ts'
import { isEspalierError } from '../lib/errors.ts'
import type { IndexEntry } from '../registry/index-hint.ts'
import type { ModelKind } from '../registry/records/manifest.ts'
import { emptyState, type ModelState } from '../registry/records/state.ts'
import type { Origin, RegistryReader, RegistryVersion } from '../registry/types.ts'

/** Models read at the same time. */
const CONCURRENCY = 8

/** A model as the registry had it when it was last read. */
export interface FollowedModel {
  readonly name: string
  readonly kind: ModelKind
  readonly origin: Origin
  /** Ascending. */
  readonly versions: readonly number[]
  readonly state: ModelState
}

/** What a follower reads with. */
export interface FollowerOptions {
  readonly registry: RegistryReader
  /** Milliseconds between readings of everything, which repair what the index hint missed. */
  readonly sweepMs: number
  readonly monotonicMs: () => number
}

/** Knows every model of a registry by reading its index hint again and again, and everything now and then. */
export class RegistryFollower {
  readonly #options: FollowerOptions
  #models = new Map<string, FollowedModel>()
  /** Why, by name, for models whose records cannot be read: they stay as they were. */
  readonly #unreadable = new Map<string, string>()
  #hints = new Map<string, IndexEntry>()
  #etag: string | null = null
  #sweptAt: number | null = null
  #seeded = false
  #changes = 0

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** By name; empty before the first reading. */
  get models(): ReadonlyMap<string, FollowedModel> {
    return this.#models
  }

  /** Why, by name, for models that were read before and cannot be read now. */
  get unreadable(): ReadonlyMap<string, string> {
    return this.#unreadable
  }

  /** False until everything was read once, or is known from elsewhere. */
  get known(): boolean {
    return this.#sweptAt !== null || this.#seeded
  }

  /** True while all that is known comes from elsewhere. */
  get isSeeded(): boolean {
    return this.#seeded && this.#sweptAt === null
  }

  /** Grows whenever something was read that is not what was known. */
  get changes(): number {
    return this.#changes
  }

  /** Starts from what was known at another time, until the registry is read. */
  seed(models: Iterable<FollowedModel>): void {
    if (this.#sweptAt !== null) return
    this.#models = new Map([...models].map((model) => [model.name, model]))
    this.#seeded = true
  }

  /**
   * Reads what changed; true where everything was read.
   * @throws EspalierError `registry_unavailable` and the like; what is known stays, the next reading catches up
   */
  async refresh(): Promise<boolean> {
    const { monotonicMs, sweepMs } = this.#options
    const now = monotonicMs()
    if (this.#sweptAt !== null && now - this.#sweptAt < sweepMs && (await this.#readHints())) {
      return false
    }
    await this.#sweep(now)
    return true
  }

  async #sweep(now: number): Promise<void> {
    const { registry } = this.#options
    // The hint is read first: what changes during the scan shows as a change of the hint.
    const reading = await registry.readIndex().catch(ignoreUnreadable)
    const models = await registry.listModels()
    const before = this.#models
    this.#models = new Map(models.map((model) => [model.name, model]))
    this.#unreadable.clear()
    // What is left out may be there, but not readable.
    for (const [name, model] of before) {
      if (this.#models.has(name)) continue
      this.#models.set(name, model)
      await this.#follow(name, model)
    }
    this.#hints = new Map(Object.entries(reading?.status === 'found' ? reading.index.models : {}))
    this.#etag = reading?.status === 'found' ? reading.etag : null
    this.#sweptAt = now
    this.#changes++
  }

  /** False where there is no hint to go by, so that everything has to be read. */
  async #readHints(): Promise<boolean> {
    const { registry } = this.#options
    const reading = await registry.readIndex({ etag: this.#etag }).catch(ignoreUnreadable)
    if (reading?.status === 'not_modified') return true
    // Registries that nothing was ever published to have no hint, and nothing to sweep either.
    if (reading?.status === 'missing') return this.#models.size === 0
    if (reading?.status !== 'found') return false
    this.#changes++
    const changed = Object.entries(reading.index.models).filter(([name, hint]) => {
      const known = this.#models.get(name)
      const seen = this.#hints.get(name)
      // A user's model that now shadows a built-in one may carry the same numbers.
      return !(known && known.origin !== 'builtin' && seen && isSame(seen, hint))
    })
    await forEachConcurrently(changed, CONCURRENCY, async ([name, hint]) => {
      await this.#follow(name, hint)
      this.#hints.set(name, hint)
    })
    this.#etag = reading.etag
    return true
  }

  /** Reads one model; one that cannot be read stays as it was. */
  async #follow(name: string, hint: Pick<IndexEntry, 'kind'>): Promise<void> {
    try {
      await this.#readModel(name, hint)
      this.#unreadable.delete(name)
    } catch (error) {
      ignoreUnreadable(error)
      this.#unreadable.set(name, (error as Error).message)
    }
  }

  async #readModel(name: string, { kind }: Pick<IndexEntry, 'kind'>): Promise<void> {
    const { registry } = this.#options
    const [versions, reading] = await Promise.all([
      registry.listVersions(name),
      registry.readState(name),
    ])
    const newest = versions.at(-1)
    if (newest === undefined) {
      this.#models.delete(name)
      return
    }
    const state = reading.status === 'found' ? reading.state : emptyState(name)
    const manifest = await registry.getVersion(name, newest).catch(ignoreUnreadable)
    const origin = manifest?.origin ?? 'registry'
    const known = this.#models.get(name)
    const revision = known?.origin === origin ? known.state.revision : -1
    // A late reading must not take back a newer one.
    if (state.revision >= revision) {
      this.#models.set(name, { name, kind, origin, versions, state })
    }
  }
}

function isSame(a: IndexEntry, b: IndexEntry): boolean {
  return a.revision === b.revision && a.latest === b.latest && a.kind === b.kind
}

function ignoreUnreadable(error: unknown): null {
  if (isEspalierError(error, 'artifact_corrupt') || isEspalierError(error, 'unsupported_schema')) {
    return null
  }
  throw error
}

/** The manifests of one model, each read once; what could not be read is asked for again. */
export class ManifestCache {
  readonly #registry: RegistryReader
  readonly #name: string
  readonly #read = new Map<number, Promise<RegistryVersion>>()
  readonly #known = new Map<number, RegistryVersion>()

  constructor(registry: RegistryReader, name: string) {
    this.#registry = registry
    this.#name = name
  }

  /** @throws EspalierError `version_not_found`, `artifact_corrupt`, `registry_unavailable` … */
  get(version: number): Promise<RegistryVersion> {
    const found = this.#read.get(version)
    if (found) return found
    const reading = this.#registry.getVersion(this.#name, version)
    this.#read.set(version, reading)
    reading.then(
      (manifest) => this.#known.set(version, manifest),
      () => this.#read.delete(version),
    )
    return reading
  }

  /** The manifest where it has been read. */
  peek(version: number): RegistryVersion | undefined {
    return this.#known.get(version)
  }
}
