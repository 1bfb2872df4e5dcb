import { isEspalierError } from '../lib/errors.ts'
import { parseModelAddress } from '../lib/text/model-address.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'
import { type FollowedModel, ManifestCache, readerOf } from './registry-follower.ts'

/** The encoders of a registry and their manifests, each read once. */
export class EncoderManifests {
  readonly #registry: RegistryReader
  readonly #manifests = new Map<string, ManifestCache>()
  #models: ReadonlyMap<string, FollowedModel> = new Map()
  #encoders: readonly FollowedModel[] = []

  constructor(registry: RegistryReader) {
    this.#registry = registry
  }

  /** All models of the registry as they were read last. */
  get models(): ReadonlyMap<string, FollowedModel> {
    return this.#models
  }

  /** Takes over what was read, and says whether encoders changed; a name whose model has gone starts anew. */
  follow(models: ReadonlyMap<string, FollowedModel>): boolean {
    const before = this.#encoders
    this.#encoders = [...models.values()].filter(({ kind }) => kind === 'embedding')
    this.#models = models
    for (const name of this.#manifests.keys()) if (!models.has(name)) this.#manifests.delete(name)
    const isSame = (model: FollowedModel, at: number) => model === before[at]
    return before.length !== this.#encoders.length || !this.#encoders.every(isSame)
  }

  /** The encoder of a name; undefined where the registry has none. */
  find(name: string): FollowedModel | undefined {
    const model = this.#models.get(name)
    return model?.kind === 'embedding' ? model : undefined
  }

  /**
   * The manifest of an encoder's version; null where the registry has no encoder of that name.
   * @throws EspalierError `version_not_found`, `artifact_corrupt`, `registry_unavailable` …
   */
  async get(name: string, version: number): Promise<RegistryVersion | null> {
    const model = this.find(name)
    if (!model) return null
    const reader = readerOf(this.#registry, model.origin)
    const manifests = this.#manifests.get(name) ?? new ManifestCache(reader, name)
    this.#manifests.set(name, manifests)
    return manifests.get(version)
  }

  /** The manifest where it was read before. */
  peek(name: string, version: number): RegistryVersion | undefined {
    return this.#manifests.get(name)?.peek(version)
  }

  /**
   * An encoder of a family: the one that a head names as its own, else the newest version of any.
   * @throws EspalierError `registry_unavailable`
   */
  async findFamily(family: string, named: string | undefined): Promise<RegistryVersion | null> {
    const first = named === undefined ? null : await this.#named(named).catch(() => null)
    if (first?.family === family) return first
    for (const { name, versions } of this.#encoders) {
      for (const number of versions.toReversed()) {
        const version = await this.get(name, number).catch(ignoreUnreadable)
        if (version?.family === family) return version
      }
    }
    return null
  }

  async #named(text: string): Promise<RegistryVersion | null> {
    const { name, selector } = parseModelAddress(text)
    return selector.kind === 'version' ? this.get(name, selector.version) : null
  }
}

function ignoreUnreadable(error: unknown): null {
  if (isEspalierError(error, 'registry_unavailable')) throw error
  return null
}
