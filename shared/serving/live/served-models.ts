import { diffStates, type ModelChange } from '../../following/model-changes.ts'
import { type FollowedModel, ManifestCache, readerOf } from '../../following/registry-follower.ts'
import { type EspalierError, isEspalierError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import type { ModelState } from '../../registry/records/state.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'
import { Refusals } from './refusals.ts'

/** What the names of a model mean to requests, which may be behind what the registry says. */
export interface ServedModel {
  readonly followed: FollowedModel
  readonly state: ModelState
  readonly manifests: ManifestCache
}

/** What served models are made with. */
export interface ServedModelsOptions {
  readonly registry: RegistryReader
  /** Makes a version ready to answer; throws where it must not. */
  readonly prepare: (version: RegistryVersion, replaced: RegistryVersion | null) => Promise<void>
  readonly monotonicMs: () => number
  readonly log: Logger
}

/** Moves the names of models to new versions once these are ready, and leaves them where they were otherwise. */
export class ServedModels {
  readonly #options: ServedModelsOptions
  readonly #models = new Map<string, ServedModel>()
  /** Models whose names are not all where the registry wants them. */
  readonly #behind = new Set<string>()
  readonly #refused: Refusals
  /** Why, by `name@v2`, for versions that are tried again. */
  readonly #waiting = new Map<string, string>()
  /** By model, the versions that are not let through. */
  readonly #held = new Map<string, ModelChange[]>()

  constructor(options: ServedModelsOptions) {
    this.#options = options
    this.#refused = new Refusals(options)
  }

  get(name: string): ServedModel | undefined {
    return this.#models.get(name)
  }

  /** True where a name leads to a version of this family that requests have asked for. */
  needsFamily(family: string): boolean {
    for (const { followed, state, manifests } of this.#models.values()) {
      if (followed.kind !== 'classifier') continue
      const shares = state.traffic?.map(({ version }) => version) ?? []
      const shadow = state.shadow ? [state.shadow.version] : []
      const versions = [...Object.values(state.aliases), ...shares, ...shadow]
      if (versions.some((version) => manifests.peek(version)?.family === family)) return true
    }
    return false
  }

  /** Versions that were refused so far. */
  get refusals(): number {
    return this.#refused.count
  }

  /** Versions that the registry wants and that do not answer, as `name@v2`. */
  get held(): readonly string[] {
    return [...this.#held.values()].flat().map(({ model }) => model)
  }

  /** Takes over what was read and says what changed; `retry` tries refused versions again. Never throws. */
  async follow(
    models: ReadonlyMap<string, FollowedModel>,
    retry: boolean,
  ): Promise<readonly ModelChange[]> {
    const changes: ModelChange[] = []
    for (const [name, { state }] of this.#models) {
      if (models.has(name)) continue
      this.#models.delete(name)
      this.#held.delete(name)
      changes.push(...diffStates(name, state, null))
    }
    if (retry) this.#refused.retryAll()
    for (const followed of models.values()) {
      const served = this.#models.get(followed.name)
      if (served?.followed === followed && !this.#behind.has(followed.name)) continue
      const held: ModelChange[] = []
      await this.#move(followed, served, held)
      // Not before: while a version is tried again it is still held.
      if (held.length === 0) this.#held.delete(followed.name)
      else this.#held.set(followed.name, held)
      const after = this.#models.get(followed.name)?.state ?? null
      changes.push(...diffStates(followed.name, served?.state ?? null, after), ...held)
    }
    const wanted = new Set(this.held)
    this.#refused.keepOnly((label) => wanted.has(label))
    return changes
  }

  /** Takes a model over as far as its versions are ready; adds to `held` what is not. */
  async #move(
    followed: FollowedModel,
    served: ServedModel | undefined,
    held: ModelChange[],
  ): Promise<void> {
    const { name, origin, state } = followed
    const isOther = served !== undefined && served.followed.origin !== origin
    const manifests =
      served && !isOther
        ? served.manifests
        : new ManifestCache(readerOf(this.#options.registry, origin), name)
    this.#behind.delete(name)
    // Nothing is loaded before it is asked for, but what answers now is replaced only by what is ready.
    if (!served || followed.kind !== 'classifier') {
      this.#models.set(name, { followed, state, manifests })
      return
    }
    const from = isOther ? null : served
    const aliases: Record<string, number> = {}
    for (const [alias, version] of Object.entries(state.aliases)) {
      const old = served.state.aliases[alias]
      // Names that meant nothing before have nothing to fall back to: requests see the reason themselves.
      const isFree = !isOther && (old === version || old === undefined)
      if (isFree || (await this.#isReady(name, manifests, version, served, old, held))) {
        aliases[alias] = version
      } else if (isOther) {
        return
      } else if (old !== undefined) {
        aliases[alias] = old
      }
    }
    const shares = state.traffic ?? []
    const ready = await Promise.all(
      shares.map(({ version }) => this.#isReady(name, manifests, version, served, undefined, held)),
    )
    const traffic = ready.every(Boolean) ? state.traffic : (from?.state.traffic ?? null)
    this.#models.set(name, { followed, state: { ...state, aliases, traffic }, manifests })
  }

  async #isReady(
    name: string,
    manifests: ManifestCache,
    number: number,
    served: ServedModel,
    old: number | undefined,
    held: ModelChange[],
  ): Promise<boolean> {
    const label = formatModelVersion({ name, version: number })
    const refused = await this.#refused.reasonToWait(label)
    if (refused !== null) {
      this.#behind.add(name)
      held.push({ model: label, change: 'refused', reason: refused })
      return false
    }
    let version: RegistryVersion | null = null
    let mark: string | null = null
    try {
      const replaced =
        old === undefined ? null : await served.manifests.get(old).catch((): null => null)
      version = await manifests.get(number)
      mark = await this.#refused.mark(version)
      await this.#options.prepare(version, replaced)
      this.#waiting.delete(label)
      return true
    } catch (error) {
      this.#behind.add(name)
      const reason = (error as Error).message
      const change = isPassing(error) ? 'waiting' : 'refused'
      held.push({ model: label, change, reason })
      if (change === 'waiting') {
        if (this.#waiting.get(label) !== reason) {
          this.#options.log.warn({ model: label, reason }, 'version not ready; trying again')
        }
        this.#waiting.set(label, reason)
        return false
      }
      if (this.#refused.add(label, reason, version, mark)) {
        const message = 'version refused; the old one keeps serving'
        this.#options.log.error({ model: label, reason }, message)
      }
      return false
    }
  }
}

/** True for what may be over with the next try: a store that is away, a queue that is full, a process that ends. */
export function isPassing(error: unknown): error is EspalierError {
  return (['registry_unavailable', 'overloaded', 'shutting_down'] as const).some((code) =>
    isEspalierError(error, code),
  )
}
