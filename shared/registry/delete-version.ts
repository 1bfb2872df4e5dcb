import { isEspalierError } from '../lib/errors.ts'
import type { BlobOptions, BlobStore } from './blob-store.ts'
import { encodeManifest, MANIFEST_SCHEMA, type VersionManifest } from './manifest.ts'
import { blobKey, versionKey } from './names.ts'
import { collectUsedBlobs } from './scan.ts'
import type { ChangeNote } from './transitions.ts'
import { readVersion } from './versions.ts'

/** What became of the files of a deleted version. */
export interface Erasure {
  /** Hashes whose blobs are gone. */
  readonly erased: readonly string[]
  /** Hashes whose blobs stay, and why. */
  readonly kept: readonly { readonly sha256: string; readonly why: string }[]
}

/** Puts a tombstone in place of a manifest, so that the number never means anything else. */
export async function buryVersion(
  store: BlobStore,
  manifest: VersionManifest,
  note: ChangeNote,
  options: BlobOptions = {},
): Promise<void> {
  const { name, version, kind, idempotencyHash } = manifest
  const body = encodeManifest({
    schema: MANIFEST_SCHEMA,
    name,
    version,
    kind,
    ...(idempotencyHash === undefined ? {} : { idempotencyHash }),
    deleted: { at: note.at, by: note.by, reason: note.reason },
  })
  // Manifests never change but for this, so a lost race means that another buried it.
  const present = await readVersion(store, name, version, options)
  if (present === null || 'deleted' in present.record) return
  await store.putIfMatch(versionKey(name, version), body, present.etag, options)
}

/**
 * Removes the blobs of a deleted version that no other version of any model names. Those younger than
 * `graceMs` stay: a publisher may have found them present a moment ago.
 */
export async function eraseBlobs(
  store: BlobStore,
  manifest: VersionManifest,
  { nowMs, graceMs, signal }: BlobOptions & { nowMs: number; graceMs: number },
): Promise<Erasure> {
  const hashes = [...new Set(manifest.files.map(({ sha256 }) => sha256))]
  const keepAll = (why: string) => ({ erased: [], kept: hashes.map((sha256) => ({ sha256, why })) })
  let used: Set<string>
  try {
    used = await collectUsedBlobs(store, { signal })
  } catch (error) {
    if (!isEspalierError(error) || error.code === 'registry_unavailable') throw error
    return keepAll(`whether it is in use cannot be told: ${error.message}`)
  }
  const erased: string[] = []
  const kept: { sha256: string; why: string }[] = []
  for (const sha256 of hashes) {
    const info = await store.head(blobKey(sha256), { signal })
    if (info === null) continue
    if (used.has(sha256)) kept.push({ sha256, why: 'another version uses it' })
    else if (nowMs - info.modifiedAt.getTime() < graceMs) {
      kept.push({ sha256, why: 'it is young; garbage collection takes it later' })
    } else {
      await store.delete(blobKey(sha256), { signal })
      erased.push(sha256)
    }
  }
  return { erased, kept }
}
