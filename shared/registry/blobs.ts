import { EspalierError } from '../lib/errors.ts'
import { MAX_FILE_BYTES, type ManifestFile } from './records/manifest.ts'
import { blobKey } from './records/names.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { hashBytes, hashFile } from './stores/transfer.ts'

/**
 * A publisher writes a blob again that is older than this, so that it is young to a garbage collector, which
 * spares young blobs. In milliseconds.
 */
export const REFRESH_AGE_MS = 3_600_000

/** Where a file's content comes from: a local file, bytes, or a file fetched once it turns out to be needed. */
export type FileSource =
  | { readonly file: string }
  | { readonly bytes: Uint8Array }
  | {
      readonly known: { readonly sha256: string; readonly bytes: number }
      readonly fetch: () => Promise<string>
    }

/** A file to publish, under its path inside the version. */
export interface PublishFile {
  readonly path: string
  readonly source: FileSource
}

/** @throws EspalierError `invalid_data` naming a local file that cannot be read */
export async function describeFile(
  { path, source }: PublishFile,
  options: BlobOptions = {},
): Promise<ManifestFile> {
  if ('known' in source) return { path, sha256: source.known.sha256, bytes: source.known.bytes }
  if ('bytes' in source) {
    return { path, sha256: hashBytes(source.bytes), bytes: source.bytes.byteLength }
  }
  try {
    const { sha256, bytes } = await hashFile(source.file, options.signal)
    if (bytes <= MAX_FILE_BYTES) return { path, sha256, bytes }
  } catch (error) {
    options.signal?.throwIfAborted()
    const why = error instanceof Error ? error.message : String(error)
    throw new EspalierError('invalid_data', `cannot read ${path} from ${source.file}: ${why}`, {
      cause: error,
    })
  }
  throw new EspalierError('invalid_data', `${source.file} has more than ${MAX_FILE_BYTES} bytes`)
}

/** Stores a file's content under its hash; skipped where it is there, whole and young. True if it was sent. */
export async function storeBlob(
  store: BlobStore,
  { sha256, bytes }: ManifestFile,
  source: FileSource,
  nowMs: number,
  options: BlobOptions = {},
): Promise<boolean> {
  const key = blobKey(sha256)
  const present = await store.head(key, options)
  const young = present !== null && nowMs - present.modifiedAt.getTime() < REFRESH_AGE_MS
  if (young && present.bytes === bytes) return false
  if ('bytes' in source) await store.put(key, source.bytes, { ...options, sha256 })
  else {
    const path = 'file' in source ? source.file : await source.fetch()
    await store.upload(key, path, { ...options, sha256 })
  }
  return true
}
