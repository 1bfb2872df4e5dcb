import { forEachConcurrently } from '../lib/concurrency.ts'
import { type EspalierError, isEspalierError } from '../lib/errors.ts'
import { RetryTimes } from '../lib/retry-times.ts'
import { isModelName } from '../lib/text/model-address.ts'
import type { IndexEntry } from '../registry/index-hint.ts'
import type { ModelKind } from '../registry/records/manifest.ts'
import { emptyState, type ModelState } from '../registry/records/state.ts'
import { isUnreadable } from '../registry/scan.ts'
import type { BlobOptions } from '../registry/stores/blob-store.ts'
import type { Origin, RegistryReader, RegistryVersion } from '../registry/types.ts'

/** Models read at the same time. */
const CONCURRENCY = 8
/** A model that cannot be read is read again after this time, then after twice as long, up to the longest. */
const FIRST_RETRY_MS = 2_000
const MAX_RETRY_MS = 60_000
/** Models that cannot be read which one look reads again. */
const MAX_RETRIES = 16
/** The newest versions of such a model that are looked at. */
const CHECKED_VERSIONS = 20

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
  #unreadable = new Map<string, string>()
  readonly #retries: RetryTimes
  #hints = new Map<string, IndexEntry>()
  #etag: string | null = null
  #sweptAt: number | null = null
  #seeded = false
  #changes = 0

  constructor(options: FollowerOptions) {
    this.#options = options
    const { monotonicMs } = options
    this.#retries = new RetryTimes({ firstMs: FIRST_RETRY_MS, maxMs: MAX_RETRY_MS, monotonicMs })
  }

  /** By name; empty before the first reading. */
  get models(): ReadonlyMap<string, FollowedModel> {
    return this.#models
  }

  /** Why, by name, for models of which a record cannot be read; those that were read before stay as they were. */
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
   * Reads what changed, or everything; true where everything was read.
   * @throws EspalierError `registry_unavailable` and the like; what is known stays, the next reading catches up
   */
  async refresh({
    everything = false,
    signal,
  }: BlobOptions & { readonly everything?: boolean } = {}): Promise<boolean> {
    const { monotonicMs, sweepMs } = this.#options
    const now = monotonicMs()
    const isFresh = this.#sweptAt !== null && now - this.#sweptAt < sweepMs
    if (!everything && isFresh && (await this.#readHints(signal))) {
      await this.#readUnreadable(signal)
      return false
    }
    await this.#sweep(now, signal)
    return true
  }

  async #sweep(now: number, signal: AbortSignal | undefined): Promise<void> {
    const { registry } = this.#options
    // The hint is read first: what changes during the scan shows as a change of the hint.
    const reading = await registry.readIndex({ signal }).catch(ignoreUnreadable)
    const broken = new Map<string, string>()
    const models = await registry.listModels({
      signal,
      onBroken: ({ name, reason }) => void broken.set(name, reason),
    })
    const before = this.#models
    this.#models = new Map(models.map((model) => [model.name, model]))
    this.#unreadable = broken
    for (const name of broken.keys()) this.#retries.fail(name)
    for (const [name, model] of before) {
      if (this.#models.has(name)) continue
      this.#models.set(name, model)
      // It may have been published again since the listing.
      if (!broken.has(name)) await this.#follow(name, model, signal)
    }
    this.#hints = new Map(Object.entries(reading?.status === 'found' ? reading.index.models : {}))
    this.#etag = reading?.status === 'found' ? reading.etag : null
    this.#sweptAt = now
    this.#changes++
  }

  /** False where there is no hint to go by, so that everything has to be read. */
  async #readHints(signal: AbortSignal | undefined): Promise<boolean> {
    const { registry } = this.#options
    const reading = await registry.readIndex({ etag: this.#etag, signal }).catch(ignoreUnreadable)
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
      await this.#follow(name, hint, signal)
      this.#hints.set(name, hint)
    })
    this.#etag = reading.etag
    return true
  }

  /** Reads those again that could not be read and whose time has come, a few at once. */
  async #readUnreadable(signal: AbortSignal | undefined): Promise<void> {
    const due = [...this.#unreadable.keys()].filter((name) => this.#retries.isDue(name))
    // Names out of bounds have no records that could be read.
    const names = due.filter(isModelName).slice(0, MAX_RETRIES)
    if (names.length === 0) return
    const before = new Map(this.#unreadable)
    await forEachConcurrently(names, CONCURRENCY, (name) => this.#follow(name, null, signal))
    if (names.some((name) => this.#unreadable.get(name) !== before.get(name))) this.#changes++
  }

  /** Reads one model; one that cannot be read stays as it was. */
  async #follow(
    name: string,
    hint: Pick<IndexEntry, 'kind'> | null,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const fault = await this.#readModel(name, hint, signal).catch((error: unknown) => {
      if (isUnreadable(error)) return error
      throw error
    })
    if (fault === null) {
      this.#unreadable.delete(name)
      this.#retries.forget(name)
    } else {
      this.#unreadable.set(name, fault.message)
      this.#retries.fail(name)
    }
  }

  /** Takes a model over as far as it can be read; returns what is the matter with one of its versions. */
  async #readModel(
    name: string,
    hint: Pick<IndexEntry, 'kind'> | null,
    signal: AbortSignal | undefined,
  ): Promise<EspalierError | null> {
    const { registry } = this.#options
    const [versions, reading] = await Promise.all([
      registry.listVersions(name, { signal }),
      registry.readState(name, { signal }),
    ])
    const newest = versions.at(-1)
    if (newest === undefined) {
      this.#models.delete(name)
      return null
    }
    const state = reading.status === 'found' ? reading.state : emptyState(name)
    // What was wrong with it may be in any version.
    const checked = this.#unreadable.has(name) ? versions.slice(-CHECKED_VERSIONS) : [newest]
    let manifest: RegistryVersion | null = null
    let fault: EspalierError | null = null
    for (const number of checked.toReversed()) {
      try {
        const found = await registry.getVersion(name, number, { signal })
        manifest ??= found
      } catch (error) {
        // A link to nothing, or a version that was deleted a moment ago.
        if (!isUnreadable(error) && !isEspalierError(error, 'version_not_found')) throw error
        fault ??= error
      }
    }
    const known = this.#models.get(name)
    const kind = hint?.kind ?? manifest?.kind ?? known?.kind
    if (kind === undefined) return fault
    const origin = manifest?.origin ?? 'registry'
    const revision = known?.origin === origin ? known.state.revision : -1
    // A late reading must not take back a newer one.
    if (state.revision >= revision) {
      this.#models.set(name, { name, kind, origin, versions, state })
    }
    return fault
  }
}

function isSame(a: IndexEntry, b: IndexEntry): boolean {
  return a.revision === b.revision && a.latest === b.latest && a.kind === b.kind
}

function ignoreUnreadable(error: unknown): null {
  if (isUnreadable(error)) return null
  throw error
}

/** Where the versions of a model are read: those of this machine without asking the user's registry first. */
export function readerOf(registry: RegistryReader, origin: Origin): RegistryReader {
  return (origin === 'builtin' ? registry.builtin : undefined) ?? registry
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
