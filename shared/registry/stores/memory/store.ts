import { createReadStream } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import {
  type BlobEntry,
  type BlobInfo,
  type BlobOptions,
  type BlobStore,
  type CreateResult,
  checkConditionalBody,
  checkKey,
  checkPrefix,
  type DownloadOptions,
  folderError,
  type GetOptions,
  type GetResult,
  hashMismatchError,
  type PutOptions,
  type SwapResult,
  type Transferred,
  tooLargeError,
} from '../blob-store.ts'
import { hashBytes, writeChunks } from '../transfer.ts'

interface Stored {
  readonly body: Uint8Array
  readonly etag: string
  readonly modifiedAt: Date
}

/** A store that lives and dies with this process; bodies are copied on the way in and out. */
export function openMemoryStore(url = 'memory:'): BlobStore {
  return new MemoryStore(url)
}

class MemoryStore implements BlobStore {
  readonly url: string
  readonly #objects = new Map<string, Stored>()
  /** How many objects lie below each folder. */
  readonly #folders = new Map<string, number>()

  constructor(url: string) {
    this.url = url
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const found = this.#find(key, options)
    if (found === undefined) return { status: 'missing' }
    if (found.body.byteLength > options.maxBytes) {
      throw tooLargeError(this.url, key, options.maxBytes)
    }
    if (found.etag === options.ifNoneMatch) return { status: 'not_modified' }
    return { status: 'found', ...found, body: found.body.slice() }
  }

  async head(key: string, options: BlobOptions = {}): Promise<BlobInfo | null> {
    const found = this.#find(key, options)
    if (found === undefined) return null
    return { bytes: found.body.byteLength, etag: found.etag, modifiedAt: found.modifiedAt }
  }

  async putIfAbsent(
    key: string,
    body: Uint8Array,
    options: BlobOptions = {},
  ): Promise<CreateResult> {
    checkConditionalBody(key, body)
    if (this.#find(key, options) !== undefined) return { status: 'exists' }
    return { status: 'created', etag: this.#store(key, body) }
  }

  async putIfMatch(
    key: string,
    body: Uint8Array,
    etag: string,
    options: BlobOptions = {},
  ): Promise<SwapResult> {
    checkConditionalBody(key, body)
    const found = this.#find(key, options)
    if (found === undefined) return { status: 'missing' }
    if (found.etag !== etag) return { status: 'changed' }
    return { status: 'replaced', etag: this.#store(key, body) }
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    this.#find(key, options)
    const sha256 = hashBytes(body)
    if (options.sha256 !== undefined && options.sha256 !== sha256) {
      throw hashMismatchError(`what was to be stored as ${key}`, options.sha256, sha256)
    }
    this.#store(key, body)
  }

  async upload(key: string, path: string, options: PutOptions = {}): Promise<void> {
    checkKey(key)
    await this.put(key, await buffer(createReadStream(path)), options)
  }

  async download(key: string, path: string, options: DownloadOptions): Promise<Transferred | null> {
    const found = this.#find(key, options)
    if (found === undefined) return null
    const tooLarge = () => tooLargeError(this.url, key, options.maxBytes)
    return writeChunks([found.body], path, { ...options, tooLarge })
  }

  async *list(prefix: string, options: BlobOptions = {}): AsyncGenerator<BlobEntry> {
    checkPrefix(prefix)
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort()
    for (const key of keys) {
      options.signal?.throwIfAborted()
      const found = this.#objects.get(key)
      if (found === undefined) continue
      yield { key, bytes: found.body.byteLength, modifiedAt: found.modifiedAt }
    }
  }

  async delete(key: string, options: BlobOptions = {}): Promise<void> {
    if (this.#find(key, options) === undefined) return
    this.#objects.delete(key)
    for (const folder of foldersOf(key)) {
      this.#folders.set(folder, this.#folders.get(folder)! - 1)
    }
  }

  async close(): Promise<void> {}

  #find(key: string, options: BlobOptions): Stored | undefined {
    checkKey(key)
    options.signal?.throwIfAborted()
    return this.#objects.get(key)
  }

  #store(key: string, body: Uint8Array): string {
    if (!this.#objects.has(key)) {
      const folders = foldersOf(key)
      if (folders.some((folder) => this.#objects.has(folder)) || this.#folders.get(key)) {
        throw folderError(key)
      }
      for (const folder of folders) this.#folders.set(folder, (this.#folders.get(folder) ?? 0) + 1)
    }
    const etag = `"${hashBytes(body)}"`
    this.#objects.set(key, { body: body.slice(), etag, modifiedAt: new Date() })
    return etag
  }
}

/** `a` and `a/b` for `a/b/c`. */
function foldersOf(key: string): string[] {
  const segments = key.split('/')
  return segments.slice(1).map((_, at) => segments.slice(0, at + 1).join('/'))
}
