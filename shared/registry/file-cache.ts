import { createHash } from 'node:crypto'
import { copyFile, link, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import { replaceFile } from '../lib/replace-file.ts'
import { explainFault, systemCode } from '../lib/system-errors.ts'
import type { ManifestFile, VersionManifest } from './records/manifest.ts'
import { blobKey } from './records/names.ts'
import { type BlobOptions, type BlobStore, hashMismatchError } from './stores/blob-store.ts'
import { ensureFolder, syncFolder, TemporaryFolder } from './stores/folders.ts'
import { hashFile, LocalFileFault } from './stores/transfer.ts'

export interface FetchOptions extends BlobOptions {
  /** Check a cached file by its size alone; otherwise it is hashed at every fetch. */
  readonly trustCache?: boolean | undefined
}

/**
 * Brings a file into a cache folder that processes share, at `<folder>/sha256/<hex>`, and returns that path.
 * A file appears there whole and verified or not at all; one that was damaged since is fetched again.
 * @throws EspalierError `artifact_corrupt` naming the file and both hashes where the store's copy is wrong
 */
export async function fetchBlob(
  store: BlobStore,
  file: ManifestFile,
  label: string,
  folder: string,
  options: FetchOptions = {},
): Promise<string> {
  return explained(folder, options, () => fetchVerified(store, file, label, folder, options))
}

async function fetchVerified(
  store: BlobStore,
  file: ManifestFile,
  label: string,
  folder: string,
  options: FetchOptions,
): Promise<string> {
  const path = join(resolve(folder), 'sha256', file.sha256)
  if (await isCached(path, file, options)) return path
  const temporary = await new TemporaryFolder(join(resolve(folder), '.tmp')).next()
  try {
    const key = blobKey(file.sha256)
    const { sha256, bytes: maxBytes } = file
    const wanted = { sha256, maxBytes, signal: options.signal }
    const found = await store.download(key, temporary, wanted)
    if (found === null) {
      throw new EspalierError('artifact_corrupt', `${label}: ${key} is missing in ${store.url}`)
    }
    if (found.sha256 !== file.sha256) {
      throw hashMismatchError(`${label} in ${store.url}`, file.sha256, found.sha256)
    }
    await ensureFolder(dirname(path))
    await replaceFile(temporary, path)
    await syncFolder(dirname(path))
    return path
  } finally {
    await rm(temporary, { force: true })
  }
}

async function isCached(path: string, file: ManifestFile, options: FetchOptions): Promise<boolean> {
  try {
    const info = await stat(path)
    if (!info.isFile() || info.size !== file.bytes) return false
    return options.trustCache || (await hashFile(path, options.signal)).sha256 === file.sha256
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

/**
 * Brings files of a version into the cache and lays them out under their own paths, as links to the verified
 * files; returns that folder. Versions of the same content share it.
 */
export async function fetchLayout(
  store: BlobStore,
  manifest: VersionManifest,
  files: readonly ManifestFile[],
  folder: string,
  options: FetchOptions = {},
): Promise<string> {
  const lines = manifest.files.map(({ path, sha256 }) => `${path}\0${sha256}`).sort()
  const id = createHash('sha256').update(lines.join('\n')).digest('hex')
  const layout = join(resolve(folder), 'versions', id)
  for (const file of files) {
    const label = `${file.path} of ${manifest.name}@v${manifest.version}`
    const blob = await fetchBlob(store, file, label, folder, options)
    await explained(folder, options, () => place(blob, join(layout, file.path), folder))
  }
  return layout
}

/** Puts a link to the blob at a path, in one step whatever was there. */
async function place(blob: string, path: string, folder: string): Promise<void> {
  const [from, present] = await Promise.all([stat(blob), stat(path).catch(() => null)])
  if (present !== null && present.ino === from.ino && present.dev === from.dev) return
  await ensureFolder(dirname(path))
  const temporary = await new TemporaryFolder(join(resolve(folder), '.tmp')).next()
  try {
    await link(blob, temporary).catch(() => copyFile(blob, temporary))
    await replaceFile(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}

/** Names the cache folder where the disk fails, full ones too. */
async function explained<T>(
  folder: string,
  options: BlobOptions,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action()
  } catch (error) {
    options.signal?.throwIfAborted()
    const isOfFile = error instanceof Error && error.cause instanceof LocalFileFault
    if (error instanceof EspalierError && !isOfFile) throw error
    const why = explainFault(isOfFile ? error.cause : error, 'set ESPALIER_CACHE to another folder')
    throw new EspalierError(
      'registry_unavailable',
      `cannot use the cache folder ${folder}: ${why}`,
      {
        cause: error,
      },
    )
  }
}
