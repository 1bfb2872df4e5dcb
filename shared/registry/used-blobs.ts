import { forEachConcurrently } from '../lib/concurrency.ts'
import { listAllVersions, READ_CONCURRENCY } from './scan.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { readVersion } from './versions.ts'

/** The hashes that versions name. Versions are immutable, so that only new ones are read again. */
export class UsedBlobs {
  readonly #store: BlobStore
  readonly #seen = new Set<string>()
  readonly #used = new Set<string>()

  constructor(store: BlobStore) {
    this.#store = store
  }

  /** How many versions were read. */
  get versions(): number {
    return this.#seen.size
  }

  /** Whether a version names it, as of the last update. */
  has(sha256: string): boolean {
    return this.#used.has(sha256)
  }

  /**
   * Reads the versions that came since the last update, of all models.
   * @throws EspalierError `artifact_corrupt` or `unsupported_schema` where a manifest cannot be read: then
   * nobody knows which blobs are free
   */
  async update(options: BlobOptions = {}): Promise<void> {
    const fresh: { name: string; version: number; id: string }[] = []
    for (const [name, numbers] of await listAllVersions(this.#store, options)) {
      for (const version of numbers) {
        const id = `${name}@v${version}`
        if (!this.#seen.has(id)) fresh.push({ name, version, id })
      }
    }
    await forEachConcurrently(fresh, READ_CONCURRENCY, async ({ name, version, id }) => {
      const found = await readVersion(this.#store, name, version, options)
      if (found === null) return
      if (!('deleted' in found.record)) {
        for (const { sha256 } of found.record.files) this.#used.add(sha256)
      }
      this.#seen.add(id)
    })
  }
}
