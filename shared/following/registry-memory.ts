import { pathToFileURL } from 'node:url'
import { silentLogger } from '../lib/logger.ts'
import { KnownModels } from '../registry/known-models.ts'
import { createReader } from '../registry/reader.ts'
import { openBlobStore } from '../registry/stores/open-store.ts'
import type { ModelSummary } from '../registry/types.ts'

/** What a server remembers of its registry between its runs. */
export interface RegistryMemory {
  /** Keeps what was read. Throws where the disk fails. */
  remember(models: Iterable<ModelSummary>): Promise<void>
  /** All models as they were read last, and built-in ones. */
  recall(): Promise<ModelSummary[]>
}

/** Remembers the models of a user's registry, which shadow built-in ones, in the cache folder of its files. */
export function openRegistryMemory(
  url: string,
  cacheFolder: string,
  builtinFolder: string,
): RegistryMemory {
  const known = new KnownModels(url, cacheFolder)
  return {
    async remember(models) {
      await known.remember([...models].filter(({ origin }) => origin === 'registry'))
    },
    async recall() {
      const store = await openBlobStore(pathToFileURL(builtinFolder).href)
      const builtin = createReader(store, { origin: 'builtin', logger: silentLogger })
      const found = new Map((await builtin.listModels()).map((model) => [model.name, model]))
      for (const model of (await known.recall()) ?? []) {
        found.set(model.name, { ...model, origin: 'registry' })
      }
      return [...found.values()]
    },
  }
}
