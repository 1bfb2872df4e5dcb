import type { BlobStore } from '../../shared/registry/stores/blob-store.ts'

/** A real store that calls `before` ahead of every operation, with its name and key or prefix. */
export function watchStore(
  store: BlobStore,
  before: (operation: string, key: string) => Promise<void>,
): BlobStore {
  return {
    url: store.url,
    get: async (key, ...rest) => {
      await before('get', key)
      return store.get(key, ...rest)
    },
    head: async (key, ...rest) => {
      await before('head', key)
      return store.head(key, ...rest)
    },
    putIfAbsent: async (key, ...rest) => {
      await before('putIfAbsent', key)
      return store.putIfAbsent(key, ...rest)
    },
    putIfMatch: async (key, ...rest) => {
      await before('putIfMatch', key)
      return store.putIfMatch(key, ...rest)
    },
    put: async (key, ...rest) => {
      await before('put', key)
      return store.put(key, ...rest)
    },
    upload: async (key, ...rest) => {
      await before('upload', key)
      return store.upload(key, ...rest)
    },
    download: async (key, ...rest) => {
      await before('download', key)
      return store.download(key, ...rest)
    },
    async *list(prefix, ...rest) {
      await before('list', prefix)
      yield* store.list(prefix, ...rest)
    },
    delete: async (key, ...rest) => {
      await before('delete', key)
      return store.delete(key, ...rest)
    },
    close: () => store.close(),
  }
}
