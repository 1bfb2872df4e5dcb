import type { BlobStore } from '../../shared/registry/stores/blob-store.ts'
import { interceptStore } from './intercepted-store.ts'

/** A real store whose objects can be made to look older, until they are written again. */
export function createAgedStore(inner: BlobStore): {
  readonly store: BlobStore
  /** Makes all that is under a prefix now look this much older. */
  age(prefix: string, ms: number): Promise<void>
} {
  const ages = new Map<string, number>()
  const aged = <T extends { readonly modifiedAt: Date }>(key: string, info: T): T => ({
    ...info,
    modifiedAt: new Date(info.modifiedAt.getTime() - (ages.get(key) ?? 0)),
  })
  const store = interceptStore(inner, {
    head: async (key, options) => {
      const info = await inner.head(key, options)
      return info && aged(key, info)
    },
    async *list(prefix, options) {
      for await (const entry of inner.list(prefix, options)) yield aged(entry.key, entry)
    },
    put: async (key, ...rest) => {
      await inner.put(key, ...rest)
      ages.delete(key)
    },
    upload: async (key, ...rest) => {
      await inner.upload(key, ...rest)
      ages.delete(key)
    },
  })
  return {
    store,
    async age(prefix, ms) {
      for await (const { key } of inner.list(prefix)) ages.set(key, ms)
    },
  }
}
