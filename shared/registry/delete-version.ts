import { encodeManifest, MANIFEST_SCHEMA, type VersionManifest } from './records/manifest.ts'
import { versionKey } from './records/names.ts'
import type { ChangeNote } from './records/transitions.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { type KeptBlob, type SweepContext, sweepBlobs } from './sweep.ts'
import { UsedBlobs } from './used-blobs.ts'
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
  const { name, version, kind, publication, idempotencyHash } = manifest
  const body = encodeManifest({
    schema: MANIFEST_SCHEMA,
    name,
    version,
    kind,
    publication,
    ...(idempotencyHash === undefined ? {} : { idempotencyHash }),
    deleted: { at: note.at, by: note.by, reason: note.reason },
  })
  // Manifests never change but for this, so a lost race means that another buried it.
  const present = await readVersion(store, name, version, options)
  if (present === null || 'deleted' in present.record) return
  await store.putIfMatch(versionKey(name, version), body, present.etag, options)
}

const REASONS = {
  used: 'another version uses it',
  young: 'it is young; garbage collection takes it later',
} as const

/**
 * Removes the blobs of a deleted version that no other version of any model names. Those younger than the
 * cutoff stay: a publisher that found them present a moment ago may die before it looks again.
 */
export async function eraseBlobs(
  manifest: VersionManifest,
  context: Omit<SweepContext, 'used'>,
): Promise<Erasure> {
  const hashes = [...new Set(manifest.files.map(({ sha256 }) => sha256))]
  const used = new UsedBlobs(context.store)
  await used.update(context)
  const { erased, kept } = await sweepBlobs(hashes, { ...context, used })
  const unknown = `whether it is in use cannot be told: ${used.broken[0]?.reason}`
  const explain = (why: KeptBlob['why']) => (why === 'unknown' ? unknown : REASONS[why])
  return { erased, kept: kept.map(({ sha256, why }) => ({ sha256, why: explain(why) })) }
}
