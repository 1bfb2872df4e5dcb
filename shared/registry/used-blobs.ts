import { forEachConcurrently } from '../lib/concurrency.ts'
import { type EspalierError, isEspalierError } from '../lib/errors.ts'
import { type BrokenModel, listRecords } from './list-records.ts'
import { MAX_MANIFEST_BYTES } from './records/manifest.ts'
import { versionKey } from './records/names.ts'
import { isUnreadable, READ_CONCURRENCY } from './scan.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { readVersion } from './versions.ts'

/**
 * The hashes that versions name. Versions are immutable, so that only new ones are read again. A record that cannot
 * be read may name any blob, unless it is whole JSON of a schema that is known: then it names what stands in it.
 */
export class UsedBlobs {
  readonly #store: BlobStore
  readonly #seen = new Set<string>()
  readonly #used = new Set<string>()
  /** Named by records that are whole, and yet not as they should be. */
  #perhaps = new Set<string>()
  #broken: readonly BrokenModel[] = []
  #isOpen = false

  constructor(store: BlobStore) {
    this.#store = store
  }

  /** How many versions were read. */
  get versions(): number {
    return this.#seen.size
  }

  /** Models with records that cannot be read, and why, as of the last update. */
  get broken(): readonly BrokenModel[] {
    return this.#broken
  }

  /** Whether a version names it, as of the last update. */
  has(sha256: string): boolean {
    return this.#used.has(sha256)
  }

  /** Whether a record that cannot be read may name it. */
  mayHave(sha256: string): boolean {
    return this.#isOpen || this.#perhaps.has(sha256)
  }

  /** Reads the versions that came since the last update, of all models, and those that could not be read. */
  async update(options: BlobOptions = {}): Promise<void> {
    const { versions, faults, versionFaults } = await listRecords(this.#store, undefined, options)
    const broken = new Map([...versionFaults, ...faults])
    const perhaps = new Set<string>()
    // What cannot even be looked at may be a version of anything.
    let isOpen = broken.size > 0
    const fresh: { name: string; version: number; id: string }[] = []
    for (const [name, numbers] of versions) {
      for (const version of numbers) {
        const id = `${name}@v${version}`
        if (!this.#seen.has(id)) fresh.push({ name, version, id })
      }
    }
    await forEachConcurrently(fresh, READ_CONCURRENCY, async ({ name, version, id }) => {
      try {
        const found = await readVersion(this.#store, name, version, options)
        if (found === null) return
        if (!('deleted' in found.record)) {
          for (const { sha256 } of found.record.files) this.#used.add(sha256)
        }
        this.#seen.add(id)
      } catch (error) {
        if (!isUnreadable(error)) throw error
        broken.set(name, error.message)
        const hashes = await this.#findHashes(name, version, error, options)
        if (hashes === null) isOpen = true
        for (const sha256 of hashes ?? []) perhaps.add(sha256)
      }
    })
    this.#perhaps = perhaps
    this.#isOpen = isOpen
    this.#broken = [...broken].map(([name, reason]) => ({ name, reason }))
  }

  /** Whatever looks like a hash in a record that is whole JSON; null where it may name more. */
  async #findHashes(
    name: string,
    version: number,
    error: EspalierError,
    { signal }: BlobOptions,
  ): Promise<readonly string[] | null> {
    if (!isEspalierError(error, 'artifact_corrupt')) return null
    const limits = { maxBytes: MAX_MANIFEST_BYTES, signal }
    const found = await this.#store.get(versionKey(name, version), limits).catch((fault) => {
      if (isUnreadable(fault)) return null
      throw fault
    })
    if (found?.status !== 'found') return null
    const text = new TextDecoder().decode(found.body)
    try {
      JSON.parse(text)
    } catch {
      return null
    }
    return text.match(/[0-9a-f]{64}/gi)?.map((hash) => hash.toLowerCase()) ?? []
  }
}
