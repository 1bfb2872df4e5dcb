import { createHash } from 'node:crypto'
import { link, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { EspalierError } from '../../../lib/errors.ts'
import { replaceFile } from '../../../lib/replace-file.ts'
import { explainFault, systemCode } from '../../../lib/system-errors.ts'
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
  type ListOptions,
  MAX_CONDITIONAL_BYTES,
  type PutOptions,
  type SwapResult,
  type Transferred,
  tooLargeError,
  unreadableError,
} from '../blob-store.ts'
import { ensureFolder, syncFolder, TemporaryFolder } from '../folders.ts'
import { downloadError, hashBytes, LocalFileFault, readChunks, writeChunks } from '../transfer.ts'
import { removeVoidClaims, withFileLock } from './file-lock.ts'
import { listFolder } from './list-folder.ts'
import { accessNearest, isOfObject, nullIfMissing, readWhole, tagOf } from './read-object.ts'

/**
 * Opens a store in a local folder, one file per key. Writes go to a temporary file that is synced before it
 * appears under its name in one step; a process that dies leaves nothing half-visible. Conditional writes hold
 * between processes of one machine. The file system needs hard links; the folder is made by the first write.
 */
export function openDirectoryStore(root: string, url = `file:${root}`): BlobStore {
  return new DirectoryStore(resolve(root), url)
}

const READING = new Set(['read', 'download', 'list'])

class DirectoryStore implements BlobStore {
  readonly url: string
  readonly #root: string
  readonly #temporary: TemporaryFolder
  readonly #locks: string
  #locksReady: Promise<void> | null = null

  constructor(root: string, url: string) {
    this.url = url
    this.#root = root
    // No key starts with a dot, so these two folders are out of every caller's reach.
    this.#temporary = new TemporaryFolder(join(root, '.tmp'))
    this.#locks = join(root, '.locks')
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    return this.#run('read', key, options, async (path) => {
      const found = await readWhole(path, options.maxBytes)
      if (found === null) return { status: 'missing' }
      if (found === 'no_file') throw unreadableError(this.url, key, 'it is not a regular file')
      if (found === 'too_large') throw tooLargeError(this.url, key, options.maxBytes)
      const etag = tagOf(found.info, found.body)
      if (etag === options.ifNoneMatch) return { status: 'not_modified' }
      return { status: 'found', body: found.body, etag, modifiedAt: found.info.mtime }
    })
  }

  async head(key: string, options: BlobOptions = {}): Promise<BlobInfo | null> {
    return this.#run('read', key, options, async (path) => {
      const found = await readWhole(path, MAX_CONDITIONAL_BYTES)
      if (found === null || found === 'no_file') return null
      if (found !== 'too_large') {
        const etag = tagOf(found.info, found.body)
        return { bytes: found.body.byteLength, etag, modifiedAt: found.info.mtime }
      }
      const info = await stat(path, { bigint: true })
      return { bytes: Number(info.size), etag: tagOf(info, null), modifiedAt: info.mtime }
    })
  }

  async putIfAbsent(
    key: string,
    body: Uint8Array,
    options: BlobOptions = {},
  ): Promise<CreateResult> {
    checkConditionalBody(key, body)
    return this.#run('create', key, options, async (path) => {
      if ((await stat(path).catch(nullIfMissing))?.isFile()) return { status: 'exists' }
      const temporary = await this.#write(key, path, [body], options)
      try {
        // link(2) fails where the name is taken: the one that links first has created the object.
        await link(temporary, path)
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error
        if ((await stat(path).catch(nullIfMissing))?.isDirectory()) {
          throw folderError(key, { cause: error })
        }
        return { status: 'exists' }
      } finally {
        await rm(temporary, { force: true })
      }
      await syncFolder(dirname(path))
      return { status: 'created', etag: `"${hashBytes(body)}"` }
    })
  }

  async putIfMatch(
    key: string,
    body: Uint8Array,
    etag: string,
    options: BlobOptions = {},
  ): Promise<SwapResult> {
    checkConditionalBody(key, body)
    return this.#run('replace', key, options, async (path) => {
      const before = await this.head(key, options)
      if (before === null) return { status: 'missing' }
      if (before.etag !== etag) return { status: 'changed' }
      const temporary = await this.#write(key, path, [body], options)
      try {
        const result = await this.#locked(key, options, async (checkHeld): Promise<SwapResult> => {
          const present = await this.head(key)
          if (present === null) return { status: 'missing' }
          if (present.etag !== etag) return { status: 'changed' }
          checkHeld()
          await replaceFile(temporary, path)
          return { status: 'replaced', etag: `"${hashBytes(body)}"` }
        })
        if (result.status === 'replaced') await syncFolder(dirname(path))
        return result
      } finally {
        await rm(temporary, { force: true })
      }
    })
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    return this.#putFrom(key, [body], options)
  }

  async upload(key: string, path: string, options: PutOptions = {}): Promise<void> {
    return this.#putFrom(key, readChunks(path, options.signal), options)
  }

  async download(key: string, path: string, options: DownloadOptions): Promise<Transferred | null> {
    return this.#run('download', key, options, async (source) => {
      const info = await stat(source).catch(nullIfMissing)
      if (info === null || !info.isFile()) return null
      const tooLarge = () => tooLargeError(this.url, key, options.maxBytes)
      if (info.size > options.maxBytes) throw tooLarge()
      const chunks = readChunks(source, options.signal)
      return writeChunks(chunks, path, { ...options, tooLarge })
    })
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<BlobEntry> {
    checkPrefix(prefix)
    try {
      yield* listFolder(this.#root, prefix, options)
    } catch (error) {
      throw this.#explain('list', prefix, error, options)
    }
  }

  async delete(key: string, options: BlobOptions = {}): Promise<void> {
    return this.#run('delete', key, options, async (path) => {
      if ((await stat(path).catch(nullIfMissing)) === null) return
      // Under the lock, so that no compare-and-swap brings the object back.
      await this.#locked(key, options, () => rm(path, { force: true }))
      await syncFolder(dirname(path))
    })
  }

  async checkWritable(name: string): Promise<void> {
    for (const key of [`models/${name}/versions`, 'blobs/sha256', '.tmp', '.locks']) {
      try {
        accessNearest(join(this.#root, key))
      } catch (error) {
        throw this.#explain('write', key, error, {})
      }
    }
  }

  async removeLeftovers(): Promise<number> {
    try {
      return await this.#temporary.clean()
    } catch (error) {
      throw this.#explain('delete', '.tmp', error, {})
    }
  }

  async close(): Promise<void> {}

  async #putFrom(
    key: string,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<void> {
    return this.#run('write', key, options, async (path) => {
      const temporary = await this.#write(key, path, chunks, options)
      try {
        await this.#locked(key, options, async (checkHeld) => {
          checkHeld()
          await replaceFile(temporary, path)
        })
      } finally {
        await rm(temporary, { force: true })
      }
      await syncFolder(dirname(path))
    })
  }

  /** A synced temporary file with the content, and the folder that it will move to. */
  async #write(
    key: string,
    path: string,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<string> {
    await ensureFolder(dirname(path))
    const temporary = await this.#temporary.next()
    const limits = {
      maxBytes: Number.MAX_SAFE_INTEGER,
      tooLarge: () => tooLargeError(this.url, key, Number.MAX_SAFE_INTEGER),
      signal: options.signal,
    }
    const { sha256 } = await writeChunks(chunks, temporary, limits)
    if (options.sha256 !== undefined && sha256 !== options.sha256) {
      await rm(temporary, { force: true })
      throw hashMismatchError(`what was to be stored as ${key}`, options.sha256, sha256)
    }
    return temporary
  }

  async #locked<T>(
    key: string,
    options: BlobOptions,
    action: (checkHeld: () => void) => Promise<T>,
  ): Promise<T> {
    this.#locksReady ??= ensureFolder(this.#locks)
      .then(() => removeVoidClaims(this.#locks))
      .catch((error) => {
        this.#locksReady = null
        throw error
      })
    await this.#locksReady
    const name = createHash('sha256').update(key).digest('hex').slice(0, 32)
    return withFileLock(join(this.#locks, name), action, { signal: options.signal })
  }

  async #run<T>(
    verb: string,
    key: string,
    options: BlobOptions,
    action: (path: string) => Promise<T>,
  ): Promise<T> {
    checkKey(key)
    try {
      options.signal?.throwIfAborted()
      return await action(join(this.#root, key))
    } catch (error) {
      throw this.#explain(verb, key, error, options)
    }
  }

  #explain(verb: string, key: string, error: unknown, options: BlobOptions): unknown {
    if (options.signal?.aborted) return options.signal.reason
    if (error instanceof EspalierError) return error
    if (verb === 'download' && error instanceof LocalFileFault) {
      return downloadError(this.url, key, error)
    }
    const code = systemCode(error)
    const folder = code === 'ENOTDIR' || code === 'EISDIR' || code === 'EEXIST'
    if (folder && ['create', 'replace', 'write'].includes(verb)) {
      return folderError(key, { cause: error })
    }
    if (READING.has(verb) && isOfObject(this.#root, key, code)) {
      return unreadableError(this.url, key, explainFault(error), { cause: error })
    }
    const why = explainFault(error, 'name another registry (ESPALIER_REGISTRY)')
    return new EspalierError(
      'registry_unavailable',
      `cannot ${verb} ${key} in ${this.url}: ${why}`,
      {
        cause: error,
      },
    )
  }
}
