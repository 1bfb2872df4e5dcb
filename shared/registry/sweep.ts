/**
 * How blobs are removed while others publish. A publisher creates its manifest and then looks at the sweeps;
 * a sweeper writes its record and then looks at the manifests. So one of the two sees the other: the sweeper
 * spares the blob, or the publisher waits for the end of the sweep and puts back what it lacks. Neither
 * needs a clock in common, nor a conditional delete, which S3 cannot do by age.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { EspalierError } from '../lib/errors.ts'
import { blobKey, SWEEPS_PREFIX, sweepKey } from './records/names.ts'
import { decodeRecord, encodeRecord } from './records/record.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import type { UsedBlobs } from './used-blobs.ts'

const SWEEP_SCHEMA = 1
const MAX_SWEEP_BYTES = 64 * 1024
/** Blobs of one record; publishers of other blobs do not wait. */
const BATCH_BLOBS = 200
/** A sweeper removes nothing under a record that it began to write longer ago than this. */
const HOLD_MS = 20_000
/** A record that a publisher saw unchanged for this long is of a sweeper that died; far longer than any holds. */
const PRESUME_DEAD_MS = 60_000
const POLL_MS = 50
/** Records written in a row under which there was no time to remove anything. */
const MAX_VAIN = 5

const sweepSchema = z.object({
  schema: z.literal(SWEEP_SCHEMA),
  blobs: z.array(z.string()).max(BATCH_BLOBS),
})

/** A blob that is not removed, and why. */
export interface KeptBlob {
  readonly sha256: string
  readonly why: 'used' | 'young' | 'unknown'
}

/** What a sweep works with. */
export interface SweepContext extends BlobOptions {
  readonly store: BlobStore
  readonly used: UsedBlobs
  /** Blobs written later than this stay; milliseconds since 1970. */
  readonly cutoffMs: number
  readonly clock: Clock
  readonly newId: () => string
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** Removes those of the blobs that are old and that no version names; returns what became of each. */
export async function sweepBlobs(
  hashes: readonly string[],
  context: SweepContext,
): Promise<{ erased: string[]; kept: KeptBlob[] }> {
  const { store, clock, newId, signal, onProgress } = context
  const erased: string[] = []
  const kept: KeptBlob[] = []
  for (let at = 0, vain = 0; at < hashes.length; ) {
    if (vain > MAX_VAIN) {
      throw new EspalierError('registry_unavailable', `${store.url} is too slow to remove blobs`)
    }
    const before = at
    const batch = hashes.slice(at, at + BATCH_BLOBS)
    const startedMs = clock.monotonicMs()
    const key = sweepKey(newId())
    const record = { schema: SWEEP_SCHEMA, blobs: batch }
    await store.putIfAbsent(key, encodeRecord(record, MAX_SWEEP_BYTES, key), { signal })
    try {
      await context.used.update({ signal })
      for (const sha256 of batch) {
        const why = await findReason(sha256, context)
        // Whoever was held up must write a new record: publishers may have stopped to wait for this one.
        if (clock.monotonicMs() - startedMs > HOLD_MS) break
        at++
        if (why !== null) {
          if (why !== 'gone') kept.push({ sha256, why })
          continue
        }
        await store.delete(blobKey(sha256), { signal })
        erased.push(sha256)
        onProgress?.(at, hashes.length)
      }
    } finally {
      await store.delete(key)
    }
    vain = at > before ? 0 : vain + 1
  }
  return { erased, kept }
}

async function findReason(
  sha256: string,
  { store, used, cutoffMs, signal }: SweepContext,
): Promise<KeptBlob['why'] | 'gone' | null> {
  if (used.has(sha256)) return 'used'
  if (used.mayHave(sha256)) return 'unknown'
  const info = await store.head(blobKey(sha256), { signal })
  if (info === null) return 'gone'
  return info.modifiedAt.getTime() > cutoffMs ? 'young' : null
}

/**
 * Waits until no sweep is under way that may remove one of these blobs. Called after the manifest that names
 * them was created; what is missing then was removed before and is to be put back.
 */
export async function awaitSweeps(
  hashes: readonly string[],
  { store, clock, signal }: BlobOptions & { store: BlobStore; clock: Clock },
): Promise<void> {
  const ours = new Set(hashes)
  const since = new Map<string, number>()
  for (const key of await listSweeps(store, signal)) {
    while (await isSweeping(store, key, ours, signal)) {
      const now = clock.monotonicMs()
      const first = since.get(key) ?? now
      since.set(key, first)
      if (now - first > PRESUME_DEAD_MS) {
        await store.delete(key, { signal })
        break
      }
      await sleep(POLL_MS, undefined, { signal })
    }
  }
}

/** Removes the records that dead sweepers left, whom nobody waited for. */
export async function removeStaleSweeps(
  store: BlobStore,
  cutoffMs: number,
  { signal }: BlobOptions = {},
): Promise<void> {
  for await (const { key, modifiedAt } of store.list(SWEEPS_PREFIX, { signal })) {
    if (modifiedAt.getTime() < cutoffMs) await store.delete(key, { signal })
  }
}

async function listSweeps(store: BlobStore, signal: AbortSignal | undefined): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(SWEEPS_PREFIX, { signal })) keys.push(key)
  return keys
}

async function isSweeping(
  store: BlobStore,
  key: string,
  ours: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const found = await store.get(key, { maxBytes: MAX_SWEEP_BYTES, signal })
  if (found.status !== 'found') return false
  try {
    const source = { url: store.url, key }
    const { blobs } = decodeRecord(sweepSchema, SWEEP_SCHEMA, found.body, source)
    return blobs.some((sha256) => ours.has(sha256))
  } catch {
    // What cannot be read may name any blob.
    return true
  }
}
