import { writeFile } from 'node:fs/promises'
import type { BlobStore } from '../../shared/registry/stores/blob-store.ts'
import { interceptStore } from './intercepted-store.ts'

/** A real store whose downloads meet a full disk after half of the file, while `disk.full`. */
export function createFullDiskStore(store: BlobStore, disk: { readonly full: boolean }): BlobStore {
  return interceptStore(store, {
    download: async (key, path, options) => {
      if (!disk.full) return store.download(key, path, options)
      const found = await store.get(key, options)
      if (found.status === 'found') await writeFile(path, found.body.subarray(0, 5))
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    },
  })
}
