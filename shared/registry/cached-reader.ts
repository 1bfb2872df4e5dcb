import { readFile } from 'node:fs/promises'
import { isEspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { KnownModels } from './known-models.ts'
import type { BlobOptions } from './stores/blob-store.ts'
import type { RegistryReader, RegistryVersion } from './types.ts'

/** What a reader is cached with. */
export interface CacheReaderOptions {
  /** Folder of verified files. */
  readonly folder: string
  readonly known: KnownModels
  /** While the registry is away, names mean what they meant when it was read last; nothing where it never was. */
  readonly offlineOk: boolean
}

/**
 * Keeps the files and manifests that are read in a local folder, from where they come while the registry is away.
 * What changes is always asked of the registry first. A disk that fails costs the cache and nothing else.
 */
export function cacheReader(
  inner: RegistryReader,
  { folder, known, offlineOk, logger }: CacheReaderOptions & { readonly logger: Logger },
): Pick<RegistryReader, 'getVersion' | 'readFile' | 'listVersions' | 'readState'> {
  let warned = false
  const keep = async (version: RegistryVersion) => {
    try {
      const { origin: _, ...manifest } = version
      await known.rememberVersion(manifest)
      warned = false
    } catch (error) {
      if (!warned) logger.warn({ folder, err: error }, 'the cache folder cannot be written')
      warned = true
    }
  }
  /** The registry's answer, else the one kept where there is one. */
  const orKept = async <T>(ask: () => Promise<T>, kept: () => Promise<T | null>): Promise<T> => {
    try {
      return await ask()
    } catch (error) {
      if (!isEspalierError(error, 'registry_unavailable')) throw error
      const found = await kept().catch(() => null)
      if (found !== null) return found
      throw error
    }
  }
  const knownModel = async (name: string) => {
    if (!offlineOk) return null
    return (await known.recall())?.find((model) => model.name === name) ?? 'none'
  }
  return {
    async getVersion(name, version, options) {
      const ask = async () => {
        const found = await inner.getVersion(name, version, options)
        await keep(found)
        return found
      }
      return orKept(ask, async () => {
        const kept = await known.recallVersion(name, version)
        return kept && { ...kept, origin: inner.origin }
      })
    },
    listVersions: (name, options) =>
      orKept(
        () => inner.listVersions(name, options),
        async () => {
          const model = await knownModel(name)
          if (model === null) return null
          return model === 'none' ? [] : [...model.versions]
        },
      ),
    readState: (name, options) =>
      orKept(
        () => inner.readState(name, options),
        async () => {
          const model = await knownModel(name)
          if (model === null) return null
          if (model === 'none') return { status: 'missing' }
          return { status: 'found', state: model.state, etag: '' }
        },
      ),
    async readFile(version, path, options) {
      const file = version.files.find((each) => each.path === path)
      // Refused where they are read, with the reason.
      if (!file || file.bytes > options.maxBytes) return inner.readFile(version, path, options)
      const { signal }: BlobOptions = options
      try {
        return await readFile(await inner.fetchFile(version, path, folder, { signal }))
      } catch (error) {
        if (!isEspalierError(error, 'registry_unavailable')) throw error
        return inner.readFile(version, path, options)
      }
    },
  }
}
