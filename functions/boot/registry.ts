import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RegistryMemory } from '../../shared/following/registry-memory.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import type { RestoreHooks } from '../../shared/lib/restore-hooks.ts'
import { mayHaveModel } from '../../shared/registry/stores/open-store.ts'
import type { Registry } from '../../shared/registry/types.ts'

/** The registry of a process, and what is kept of it on this machine. */
export interface RegistryParts {
  /** Opened on first use and shared from then on. */
  open(): Promise<Registry>
  /** Another one, without the built-in heads. */
  openAt(url: string): Promise<Registry>
  /** What was known of the registry before; null where nothing is kept. */
  openMemory(): Promise<RegistryMemory | null>
  /** False where neither the registry nor the built-in heads can have a model of the name. */
  mayHave(model: string): boolean
  /** Lets the cache serve where the registry is away; before it is opened. */
  allowOffline(): void
  isOfflineOk(): boolean
  /** Closes what has been opened. */
  close(): Promise<void>
}

/** The registry of the configuration over the built-in heads. */
export function createRegistryParts(options: {
  readonly config: Pick<Config, 'registry' | 'offlineOk'>
  readonly builtinFolder: string
  readonly cacheFolder: string
  readonly restoreHooks: RestoreHooks
  readonly quietSdk: () => void
  readonly log: Logger
}): RegistryParts {
  const { config, builtinFolder, restoreHooks, log } = options
  const { registry: url } = config
  const folder = join(options.cacheFolder, 'registry')
  const layers = [url, pathToFileURL(builtinFolder).href]
  let opened: Promise<Registry> | undefined
  let offlineOk = config.offlineOk === '1'
  // Files of a registry in a folder are at hand already.
  const isCached = () => offlineOk || url.startsWith('s3:')

  async function openLayers(): Promise<Registry> {
    const { openModelRegistry } = await import('../../shared/versions/open-model-registry.ts')
    options.quietSdk()
    const parts = { url, builtinFolder, verdictFolder: folder, restoreHooks, log }
    if (!isCached()) return openModelRegistry(parts)
    const { KnownModels } = await import('../../shared/registry/known-models.ts')
    const cache = { folder, known: new KnownModels(url, folder), offlineOk }
    return openModelRegistry({ ...parts, cache })
  }

  return {
    open() {
      opened ??= openLayers()
      return opened
    },
    async openAt(other) {
      const { openPlainRegistry } = await import('../../shared/versions/open-model-registry.ts')
      return openPlainRegistry({ url: other, verdictFolder: folder, log })
    },
    async openMemory() {
      if (!isCached()) return null
      const { openRegistryMemory } = await import('../../shared/following/registry-memory.ts')
      return openRegistryMemory(url, folder, builtinFolder)
    },
    mayHave: (model) => layers.some((layer) => mayHaveModel(layer, model)),
    allowOffline() {
      offlineOk = true
    },
    isOfflineOk: () => offlineOk,
    async close() {
      await (await opened)?.close()
    },
  }
}
