import type { Encoder } from '../../encoder/types.ts'
import type { EncoderLease, EncoderPools, EncoderSource } from '../../encoders/encoder-pools.ts'
import type { EncoderSources } from '../../encoders/encoder-sources.ts'
import { findWantedEncoder, unpromoted } from '../../encoders/resolve-encoder.ts'
import { EncoderManifests } from '../../following/encoder-manifests.ts'
import type { ModelChange } from '../../following/model-changes.ts'
import type { FollowedModel } from '../../following/registry-follower.ts'
import { endOnAbort } from '../../lib/concurrency.ts'
import { isEspalierError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { CHAMPION, formatModelVersion, type ModelAddress } from '../../lib/text/model-address.ts'
import { versionOfAlias } from '../../registry/records/state.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'
import { checkFamily } from '../../versions/head-version.ts'
import type { EncoderSupply, EncoderUsers } from './heads-by-encoder.ts'
import { Refusals } from './refusals.ts'
import { isPassing } from './served-models.ts'

/** What live encoders work with. */
export interface LiveEncodersOptions {
  /** The default encoder: `name`, `name@alias`, `name@v7` of the registry, a built-in one, or a folder. */
  readonly wanted: string
  readonly registry: RegistryReader
  readonly pools: EncoderPools
  readonly sources: EncoderSources
  readonly monotonicMs: () => number
  readonly log: Logger
}

interface Served {
  readonly encoder: Encoder
  readonly lease: EncoderLease
  /** Null for an encoder of this machine. */
  readonly version: RegistryVersion | null
}

/**
 * The default encoder and those that heads of other families read. The default follows its name in the registry:
 * a new version is opened, proved and given the heads in use before it answers; until then the old one does.
 */
export class LiveEncoders implements EncoderSupply {
  readonly #options: LiveEncodersOptions
  readonly manifests: EncoderManifests
  readonly #address: ModelAddress | null
  #served: Served
  #users: EncoderUsers = { warm: async () => {}, needsFamily: () => false }
  /** Former defaults, which close once nothing needs them. */
  readonly #retired = new Set<Encoder>()
  readonly #refused: Refusals
  /** The version that the registry wants and that does not answer, as `name@v2`. */
  #held: string | null = null
  /** The last reason to wait that was logged. */
  #waiting: string | null = null
  #moving: Promise<readonly ModelChange[]> | null = null
  readonly #closing = new AbortController()
  #settled: Promise<readonly ModelChange[]> = Promise.resolve([])

  private constructor(options: LiveEncodersOptions, address: ModelAddress | null, served: Served) {
    this.#options = options
    this.#address = address
    this.#served = served
    this.manifests = new EncoderManifests(options.registry)
    this.#refused = new Refusals(options)
    options.pools.onIdle = () => this.#closeRetired()
  }

  /**
   * Opens the default encoder.
   * @throws EspalierError `model_not_found`, `registry_unavailable`, and whatever opening it can throw
   */
  static async open(
    options: LiveEncodersOptions,
    signal?: AbortSignal | undefined,
  ): Promise<LiveEncoders> {
    const { wanted, registry, pools, sources } = options
    const { address, version, versions } = await findWantedEncoder(registry, wanted, signal)
    const source = version ? sources.ofVersion(version) : sources.ofLocal(wanted)
    try {
      const lease = await pools.acquire(source, { force: true, signal })
      return new LiveEncoders(options, address, { encoder: lease.encoder, lease, version })
    } catch (error) {
      const isUnknown = !version && versions.length > 0 && isEspalierError(error, 'model_not_found')
      throw isUnknown && address ? unpromoted(address, versions) : error
    }
  }

  /** The default encoder. */
  get current(): Encoder {
    return this.#served.encoder
  }

  /** The default encoder's version in the registry; null for one of this machine. */
  get currentVersion(): RegistryVersion | null {
    return this.#served.version
  }

  /** New versions that were refused so far. */
  get refusals(): number {
    return this.#refused.count
  }

  get held(): readonly string[] {
    return this.#held === null ? [] : [this.#held]
  }

  attach(users: EncoderUsers): void {
    this.#users = users
  }

  get followed(): { readonly name: string; readonly alias: string } | null {
    if (!this.#address || this.#address.selector.kind === 'version') return null
    const { name, selector } = this.#address
    return { name, alias: selector.kind === 'alias' ? selector.alias : CHAMPION }
  }

  /** Moves the default encoder in the background where it changed. */
  follow(models: ReadonlyMap<string, FollowedModel>, retry: boolean): boolean {
    const changed = this.manifests.follow(models)
    if (retry) this.#refused.retryAll()
    if (this.#moving === null) {
      const { signal } = this.#closing
      // What it asks of the registry may hang.
      const moving = endOnAbort(this.#move(), signal).catch((error: unknown) => {
        if (signal.aborted) return []
        throw error
      })
      this.#moving = moving.finally(() => {
        this.#moving = null
      })
      this.#settled = this.#moving
    }
    this.#closeRetired()
    return changed
  }

  settle(): Promise<readonly ModelChange[]> {
    return this.#settled
  }

  holdFor({ family }: RegistryVersion): EncoderLease | null {
    const { pools } = this.#options
    const isOfFamily = ({ info }: Encoder) => info.family === family
    const open = isOfFamily(this.current) ? this.current : pools.open().find(isOfFamily)
    return open ? pools.hold(open) : null
  }

  async acquireFor(version: RegistryVersion): Promise<EncoderLease> {
    const held = this.holdFor(version)
    if (held) return held
    const { sources } = this.#options
    const { family } = version
    // A built-in head has its encoder on this machine, and does not wait for the registry.
    const own = version.origin === 'builtin' ? await sources.ofFamily(family) : null
    if (own) return this.acquire(own)
    const found = await this.manifests.findFamily(family, version.lineage?.encoder)
    const source = found ? sources.ofVersion(found) : await sources.ofFamily(family)
    if (source) return this.acquire(source)
    checkFamily(version, family, this.current.info, version.lineage?.encoder)
    throw new Error('no encoder was found for a family that the default encoder has')
  }

  /** Opens an encoder beside the default one, within the budget. */
  acquire(source: EncoderSource): Promise<EncoderLease> {
    return this.#options.pools.acquire(source)
  }

  /** The default encoder, kept open. */
  hold(encoder: Encoder): EncoderLease {
    const lease = this.#options.pools.hold(encoder)
    if (!lease) throw new Error('the encoder is not open')
    return lease
  }

  /** Gives up a move that is under way and closes everything. */
  async close(): Promise<void> {
    await this.#options.pools.close()
    this.#closing.abort()
    await this.#moving
  }

  async #move(): Promise<readonly ModelChange[]> {
    const changes: ModelChange[] = []
    for (;;) {
      const wanted = this.#findTarget()
      if (wanted === null) {
        this.#held = null
        this.#refused.keepOnly(() => false)
        return changes
      }
      const { name, number } = wanted
      const label = formatModelVersion({ name, version: number })
      // While it is tried again it is still held.
      if (this.#held !== label) this.#held = null
      this.#refused.keepOnly((each) => each === label)
      const refused = await this.#refused.reasonToWait(label)
      if (refused !== null) {
        this.#held = label
        return [...changes, { model: label, change: 'refused', reason: refused }]
      }
      const from = this.#served.version?.version ?? null
      let version: RegistryVersion | null = null
      let mark: string | null = null
      try {
        version = await this.manifests.get(name, number)
        mark = version && (await this.#refused.mark(version))
        if (version === null) {
          this.#held = null
          return changes
        }
        await this.#switchTo(version)
        changes.push({ model: name, change: 'alias', alias: wanted.alias, from, to: number })
      } catch (error) {
        this.#held = label
        return [...changes, this.#refuse(label, error as Error, version, mark)]
      }
    }
  }

  /** The version that the default encoder should be and is not. */
  #findTarget(): { name: string; number: number; alias: string } | null {
    const { followed } = this
    const model = followed && this.manifests.find(followed.name)
    if (!model) return null
    // An alias that means nothing any more leaves things as they are.
    const number = versionOfAlias(model.state, followed.alias)
    return number === null || number === this.#served.version?.version
      ? null
      : { ...followed, number }
  }

  async #switchTo(version: RegistryVersion): Promise<void> {
    const { pools, sources, log } = this.#options
    // Both are open for a moment, whatever the budget says.
    const lease = await pools.acquire(sources.ofVersion(version), { force: true })
    try {
      await this.#users.warm(lease.encoder)
    } catch (error) {
      lease.release()
      throw error
    }
    const old = this.#served
    this.#served = { encoder: lease.encoder, lease, version }
    this.#retired.delete(lease.encoder)
    this.#retired.add(old.encoder)
    log.info(
      {
        from: formatModelVersion(old.encoder.info),
        to: formatModelVersion(version),
        fingerprint: lease.encoder.info.fingerprint,
      },
      'the default encoder has moved',
    )
    old.lease.release()
    this.#closeRetired()
  }

  #refuse(
    label: string,
    error: Error,
    version: RegistryVersion | null,
    mark: string | null,
  ): ModelChange {
    const reason = error.message
    if (isPassing(error)) {
      if (this.#waiting !== `${label} ${reason}`) {
        this.#options.log.warn({ model: label, reason }, 'encoder not ready; trying again')
      }
      this.#waiting = `${label} ${reason}`
      return { model: label, change: 'waiting', reason }
    }
    if (this.#refused.add(label, reason, version, mark)) {
      const message = 'encoder refused; the old one keeps serving'
      this.#options.log.error({ model: label, reason }, message)
    }
    return { model: label, change: 'refused', reason }
  }

  #closeRetired(): void {
    if (this.#retired.size === 0) return
    const { family } = this.current.info
    const isNeeded = (encoder: Encoder) =>
      !this.#retired.has(encoder) ||
      (encoder.info.family !== family && this.#users.needsFamily(encoder.info.family))
    this.#options.pools.trim(isNeeded)
    const open = new Set(this.#options.pools.open())
    for (const encoder of this.#retired) if (!open.has(encoder)) this.#retired.delete(encoder)
  }
}
