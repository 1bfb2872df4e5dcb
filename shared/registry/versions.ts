import { EspalierError } from '../lib/errors.ts'
import {
  decodeManifest,
  MAX_MANIFEST_BYTES,
  type Tombstone,
  type VersionManifest,
} from './records/manifest.ts'
import {
  checkModelName,
  MAX_VERSION,
  MODELS_PREFIX,
  parseVersionKey,
  versionKey,
} from './records/names.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'

/** The record of a version, its tombstone, or null where there never was one. */
export async function readVersion(
  store: BlobStore,
  name: string,
  version: number,
  options: BlobOptions = {},
): Promise<{ record: VersionManifest | Tombstone; etag: string } | null> {
  const key = versionKey(name, version)
  const found = await store.get(key, { maxBytes: MAX_MANIFEST_BYTES, signal: options.signal })
  if (found.status !== 'found') return null
  return {
    record: decodeManifest(found.body, { url: store.url, name, version }),
    etag: found.etag,
  }
}

/** All numbers in use, deleted ones too, ascending. */
export async function listNumbers(
  store: BlobStore,
  name: string,
  options: BlobOptions = {},
): Promise<number[]> {
  checkModelName(name)
  const numbers: number[] = []
  const prefix = `${MODELS_PREFIX}${name}/versions/`
  // A number is in use whatever lies in its place.
  for await (const { key } of store.list(prefix, { ...options, strays: true })) {
    const parsed = parseVersionKey(key)
    if (parsed !== null) numbers.push(parsed.version)
  }
  return numbers.sort((a, b) => a - b)
}

/** The first number that no version has or had. */
export async function nextNumber(
  store: BlobStore,
  name: string,
  options: BlobOptions = {},
): Promise<number> {
  const next = ((await listNumbers(store, name, options)).at(-1) ?? 0) + 1
  if (next <= MAX_VERSION) return next
  throw new EspalierError('version_conflict', `${name} has no version numbers left`)
}
