import { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import { REFRESH_AGE_MS } from './blobs.ts'
import type { BrokenModel } from './list-records.ts'
import { BLOBS_PREFIX, parseBlobKey } from './records/names.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { removeStaleSweeps, type SweepContext, sweepBlobs } from './sweep.ts'
import { UsedBlobs } from './used-blobs.ts'

/**
 * Blobs younger than this are never collected, in milliseconds: a publisher writes those again that are older
 * than half of it, so that its blobs are safe even if it dies between its manifest and its last look.
 */
export const MIN_GARBAGE_AGE_MS = 2 * REFRESH_AGE_MS

/** Records of sweeps older than this were left by processes that died; no sweep takes this long. */
const STALE_SWEEP_MS = 86_400_000

export interface GarbageOptions extends BlobOptions {
  /** Blobs younger than this stay, in milliseconds. */
  readonly olderThanMs: number
  /** Say what would be removed, and remove nothing. */
  readonly dryRun?: boolean | undefined
  readonly onProgress?: Progress | undefined
}

/** A number of blobs and their size. */
export interface BlobCount {
  readonly blobs: number
  readonly bytes: number
}

/** What a garbage collection found and did. */
export interface GarbageReport {
  readonly dryRun: boolean
  /** All blobs of the store. */
  readonly found: BlobCount
  /** Blobs that versions name. */
  readonly used: BlobCount
  /** Blobs that no version names and that are too young to remove. */
  readonly young: BlobCount
  /** Blobs that no version names: removed, or with `dryRun` to be removed. */
  readonly garbage: BlobCount & { readonly hashes: readonly string[] }
  /** Temporary files of processes that died, which were removed; nothing is counted with `dryRun`. */
  readonly leftovers: number
  /** Old blobs that no version names, kept as a record that cannot be read may name them. */
  readonly undecided: BlobCount
  /** The models with such records, and why they cannot be read. */
  readonly broken: readonly BrokenModel[]
}

/**
 * Removes old blobs that no version names; safe while others publish, delete and collect.
 * Blobs that a record which cannot be read may name stay.
 * @throws EspalierError `invalid_data` for too short an age
 */
export async function collectGarbage(
  { olderThanMs, dryRun = false, onProgress, signal }: GarbageOptions,
  context: Pick<SweepContext, 'store' | 'clock' | 'newId'>,
): Promise<GarbageReport> {
  if (!(olderThanMs >= MIN_GARBAGE_AGE_MS)) {
    const hours = MIN_GARBAGE_AGE_MS / 3_600_000
    throw new EspalierError(
      'invalid_data',
      `blobs are collected at an age of ${hours} hours or more: younger ones may belong to a version that is being published`,
    )
  }
  const { store, clock, newId } = context
  const cutoffMs = clock.wallMs() - olderThanMs
  const blobs = await listBlobs(store, { signal })
  onProgress?.('versions', 0, 0)
  const used = new UsedBlobs(store)
  await used.update({ signal })
  const isOld = (sha256: string) => blobs.get(sha256)!.modifiedMs <= cutoffMs
  const old = [...blobs.keys()].filter((sha256) => !used.has(sha256) && isOld(sha256))
  const free = old.filter((sha256) => !used.mayHave(sha256))
  const leftovers = dryRun ? 0 : ((await store.removeLeftovers?.()) ?? 0)
  if (!dryRun) await removeStaleSweeps(store, clock.wallMs() - STALE_SWEEP_MS, { signal })
  const { erased, kept } = dryRun
    ? { erased: free, kept: [] }
    : await sweepBlobs(free, {
        store,
        clock,
        newId,
        used,
        cutoffMs,
        signal,
        onProgress: (done, total) => onProgress?.('removing', done, total),
      })
  // Blobs that were put to use, or written again, since they were listed.
  const refreshed = kept.filter(({ why }) => why === 'young').map(({ sha256 }) => sha256)
  const unused = [...blobs.keys()].filter((sha256) => !used.has(sha256))
  const young = [...unused.filter((sha256) => !isOld(sha256)), ...refreshed]
  const settled = new Set([...erased, ...refreshed])
  const undecided = old.filter(
    (sha256) => !used.has(sha256) && used.mayHave(sha256) && !settled.has(sha256),
  )
  return {
    dryRun,
    found: count(blobs, [...blobs.keys()]),
    used: count(
      blobs,
      [...blobs.keys()].filter((sha256) => used.has(sha256)),
    ),
    young: count(blobs, young),
    garbage: { ...count(blobs, erased), hashes: erased },
    leftovers,
    undecided: count(blobs, undecided),
    broken: used.broken,
  }
}

type Blobs = ReadonlyMap<string, { readonly bytes: number; readonly modifiedMs: number }>

async function listBlobs(store: BlobStore, options: BlobOptions): Promise<Blobs> {
  const blobs = new Map<string, { bytes: number; modifiedMs: number }>()
  for await (const { key, bytes, modifiedAt } of store.list(BLOBS_PREFIX, options)) {
    const sha256 = parseBlobKey(key)
    if (sha256 !== null) blobs.set(sha256, { bytes, modifiedMs: modifiedAt.getTime() })
  }
  return blobs
}

function count(blobs: Blobs, hashes: readonly string[]): BlobCount {
  const bytes = hashes.reduce((sum, sha256) => sum + (blobs.get(sha256)?.bytes ?? 0), 0)
  return { blobs: hashes.length, bytes }
}
