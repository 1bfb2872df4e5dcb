import type { Progress } from '../lib/logger.ts'
import type { ModelAddress } from '../lib/text/model-address.ts'
import type { GarbageOptions, GarbageReport } from './collect-garbage.ts'
import type { Erasure } from './delete-version.ts'
import type { FetchOptions } from './file-cache.ts'
import type { IndexReading } from './index-hint.ts'
import type { BrokenModel } from './list-records.ts'
import type { PublishRequest } from './publish.ts'
import type { VersionManifest } from './records/manifest.ts'
import type { ModelState, Shadow, Traffic } from './records/state.ts'
import type { ScannedModel } from './scan.ts'
import type { ReadOptions, StateReading } from './state-store.ts'
import type { BlobOptions } from './stores/blob-store.ts'
import type { VerifyOptions, VerifyReport } from './verify.ts'

/** `builtin`: shipped with the product, read-only. */
export type Origin = 'registry' | 'builtin'

/** A version's manifest and the registry that has its files. */
export type RegistryVersion = VersionManifest & { readonly origin: Origin }

/** A model as listings show it. */
export type ModelSummary = ScannedModel & { readonly origin: Origin }

/** What a client's words mean now. */
export interface ResolvedModel {
  readonly name: string
  readonly version: number
  /** The alias that led here; null for a version named as such and for a traffic split. */
  readonly alias: string | null
  readonly via: 'version' | 'alias' | 'traffic'
}

export interface ResolveOptions extends BlobOptions {
  /** Decides a traffic split: the same key always gives the same version. */
  readonly routeKey?: string | undefined
}

/** The half of a registry that serving needs. All methods throw `registry_unavailable` where the store fails. */
export interface RegistryReader {
  /** The registry as its user wrote it, for messages. */
  readonly url: string
  readonly origin: Origin
  /** Every model with a version that can be read, by name, read from the objects themselves. */
  listModels(options?: ListModelsOptions): Promise<ModelSummary[]>
  /** Versions that are not deleted, ascending; empty for an unknown model. */
  listVersions(name: string, options?: BlobOptions): Promise<number[]>
  /** @throws EspalierError `model_not_found`, `version_not_found`, `artifact_corrupt`, `unsupported_schema` */
  getVersion(name: string, version: number, options?: BlobOptions): Promise<RegistryVersion>
  /** With `etag`, `not_modified` where the state still has it; `missing` where nothing was ever promoted. */
  readState(name: string, options?: ReadOptions): Promise<StateReading>
  /** The hint that tells which models changed; `missing` until something is published or swept. */
  readIndex(options?: ReadOptions): Promise<IndexReading>
  /**
   * What `name`, `name@alias` or `name@v7` means now; the version of an alias is not looked at.
   * @throws EspalierError `invalid_name`, `model_not_found`, `version_not_found`
   */
  resolve(address: string | ModelAddress, options?: ResolveOptions): Promise<ResolvedModel>
  /**
   * Brings one file into a cache folder shared by processes, verified, and returns its path there.
   * @throws EspalierError `artifact_corrupt` naming the file and both hashes, `invalid_data` for an unknown path
   */
  fetchFile(
    version: RegistryVersion,
    path: string,
    folder: string,
    options?: FetchOptions,
  ): Promise<string>
  /** As `fetchFile` for all files (or `paths`); returns a folder in which they have their own paths. */
  fetchFiles(
    version: RegistryVersion,
    folder: string,
    options?: FetchOptions & { readonly paths?: readonly string[] },
  ): Promise<string>
  /** A file's verified bytes, past the cache; `artifact_corrupt` where it has more than `maxBytes`. */
  readFile(
    version: RegistryVersion,
    path: string,
    options: BlobOptions & { readonly maxBytes: number },
  ): Promise<Uint8Array>
  /** What a look at the stored files tells without reading them; it changes where a file is put right or replaced. */
  markFiles(version: RegistryVersion, options?: BlobOptions): Promise<string>
  /** The models below this registry that are on this machine already, where there are such. */
  readonly builtin?: RegistryReader | undefined
}

export interface ListModelsOptions extends BlobOptions {
  /** Told of every model of which a record cannot be read, instead of the log; some of its versions may be listed. */
  readonly onBroken?: ((model: BrokenModel) => void) | undefined
}

/** Who changes something, and why; both go into the history. */
export interface ChangeOptions extends BlobOptions {
  readonly by?: string | undefined
  readonly reason?: string | undefined
  /** The `id` that the change gets in the history; a new one by default. */
  readonly id?: string | undefined
}

export interface AliasOptions extends ChangeOptions {
  /** `champion` where none is named. */
  readonly alias?: string | undefined
}

export interface PromoteOptions extends AliasOptions {
  /** Only if the alias now means this version; null: only if it means nothing. */
  readonly ifCurrent?: number | null | undefined
}

export interface RollbackOptions extends AliasOptions {
  /** Only if the alias now means this version. */
  readonly ifCurrent?: number | undefined
}

export interface DeleteOptions extends ChangeOptions {
  /** Blobs younger than this stay for the garbage collector, in milliseconds; a day by default. */
  readonly graceMs?: number | undefined
}

/** Models, versions and aliases. Changes of a state are one compare-and-swap each. */
export interface Registry extends RegistryReader {
  /** `created` is false where the idempotency key had made the version before. */
  publish(
    request: PublishRequest,
    options?: BlobOptions & { readonly onProgress?: Progress | undefined },
  ): Promise<{ readonly version: RegistryVersion; readonly created: boolean }>
  /** @throws EspalierError `version_not_found`, `version_conflict` where `ifCurrent` does not hold */
  promote(name: string, version: number, options?: PromoteOptions): Promise<ModelState>
  /**
   * Back to what the alias meant before; again, to what it meant before that.
   * @throws EspalierError `version_not_found`, `version_conflict` where `ifCurrent` does not hold
   */
  rollback(name: string, options?: RollbackOptions): Promise<ModelState>
  removeAlias(name: string, alias: string, options?: ChangeOptions): Promise<ModelState>
  setTraffic(name: string, traffic: Traffic | null, options?: ChangeOptions): Promise<ModelState>
  setShadow(name: string, shadow: Shadow | null, options?: ChangeOptions): Promise<ModelState>
  /** @throws EspalierError `version_conflict` while an alias, the traffic or the shadow uses it */
  deleteVersion(name: string, version: number, options?: DeleteOptions): Promise<Erasure>
  /** Copies a version of another registry here, once. */
  adopt(source: RegistryReader, version: RegistryVersion, options: AdoptOptions): Promise<Adoption>
  /** Removes old blobs that no version names. */
  collectGarbage(options: GarbageOptions): Promise<GarbageReport>
  /** Walks and reads everything, and tells all that is wrong. */
  verify(options?: VerifyOptions): Promise<VerifyReport>
  /**
   * Looks whether a version of a model could be published, before work is done for it.
   * @throws EspalierError `registry_unavailable`, `invalid_config`
   */
  checkWritable(name: string, options?: BlobOptions): Promise<void>
  /** Repairs the hint from the objects themselves. */
  rebuildIndex(options?: BlobOptions): Promise<void>
  close(): Promise<void>
}

/** How a version is taken over. */
export interface AdoptOptions extends BlobOptions {
  /** Where files lie on their way; what is put there is removed again. */
  readonly folder: string
  /** Only under the number that the version has; otherwise under the next free one. */
  readonly keepVersion?: boolean | undefined
}

/** What became of a copy: `deleted` where the target had this version and deleted it. */
export type Adoption =
  | { readonly status: 'copied' | 'present'; readonly version: number }
  | { readonly status: 'deleted'; readonly version: number }
