import type { BlobStore } from '../../shared/registry/stores/blob-store.ts'

/** A real store whose methods named here are replaced, to make it fail as a network store can. */
export function interceptStore(store: BlobStore, replaced: Partial<BlobStore>): BlobStore {
  return {
    url: store.url,
    get: (...args) => store.get(...args),
    head: (...args) => store.head(...args),
    putIfAbsent: (...args) => store.putIfAbsent(...args),
    putIfMatch: (...args) => store.putIfMatch(...args),
    put: (...args) => store.put(...args),
    upload: (...args) => store.upload(...args),
    download: (...args) => store.download(...args),
    list: (...args) => store.list(...args),
    delete: (...args) => store.delete(...args),
    close: () => store.close(),
    ...replaced,
  }
}
