import { pathToFileURL } from 'node:url'
import type { Logger } from '../lib/logger.ts'
import type { RestoreHooks } from '../lib/restore-hooks.ts'
import { type CacheReaderOptions, cacheReader } from '../registry/cached-reader.ts'
import { layerRegistry } from '../registry/layered.ts'
import { openRegistry } from '../registry/registry.ts'
import { openBlobStore } from '../registry/stores/open-store.ts'
import type { Registry } from '../registry/types.ts'

/** Where versions come from. */
export interface ModelRegistryOptions {
  /** The user's registry: `file:…`, `s3://…` or `memory:`. */
  readonly url: string
  /** Folder of the heads that ship with the product, laid out as a registry; it is only read. */
  readonly builtinFolder: string
  /** Keeps what is read in a local folder, to be read from there while the registry is away. */
  readonly cache?: CacheReaderOptions | null | undefined
  /** Where it is kept that a server on S3 was found to hold to conditional writes. */
  readonly verdictFolder?: string | undefined
  /** What the store does after a restore from a snapshot. */
  readonly restoreHooks?: RestoreHooks | undefined
  readonly log: Logger
}

/**
 * Opens the user's registry with the built-in heads as a read-only layer below it.
 * @throws EspalierError `invalid_config` for a URL that names no store
 */
export async function openModelRegistry(options: ModelRegistryOptions): Promise<Registry> {
  const { url, builtinFolder, cache, restoreHooks, verdictFolder, log: logger } = options
  const builtinUrl = pathToFileURL(builtinFolder).href
  const [userStore, builtin] = await Promise.all([
    openBlobStore(url, { restoreHooks, verdictFolder }),
    openBlobStore(builtinUrl),
  ])
  const user = openRegistry(userStore, { logger })
  return layerRegistry(
    cache ? { ...user, ...cacheReader(user, { ...cache, logger }) } : user,
    openRegistry(builtin, { origin: 'builtin', logger }),
  )
}

/**
 * Opens one registry by itself, to copy from or to.
 * @throws EspalierError `invalid_config` for a URL that names no store
 */
export async function openPlainRegistry({
  url,
  verdictFolder,
  log: logger,
}: Pick<ModelRegistryOptions, 'url' | 'verdictFolder' | 'log'>): Promise<Registry> {
  return openRegistry(await openBlobStore(url, { verdictFolder }), { logger })
}
