import { z } from 'zod'
import { EspalierError, isEspalierError } from '../lib/errors.ts'
import { isModelName } from '../lib/text/model-address.ts'
import { modelKindSchema } from './records/manifest.ts'
import { INDEX_KEY, MAX_VERSION } from './records/names.ts'
import { decodeRecord, encodeRecord } from './records/record.ts'
import type { ScannedModel } from './scan.ts'
import { pause, type ReadOptions } from './state-store.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'

const INDEX_SCHEMA = 1
/** Largest index, in bytes: about 40,000 models. */
export const MAX_INDEX_BYTES = 4 * 1024 * 1024
const MAX_ATTEMPTS = 40

const entrySchema = z.object({
  kind: modelKindSchema,
  /** The highest version number seen. */
  latest: z.int().min(1).max(MAX_VERSION),
  /** The revision of the model's state. */
  revision: z.int().min(0),
})
export type IndexEntry = z.infer<typeof entrySchema>

const indexSchema = z.object({
  schema: z.literal(INDEX_SCHEMA),
  revision: z.int().min(0),
  models: z.record(z.string().refine(isModelName, 'not a model name'), entrySchema),
})
/** A hint of what changed: derived, at times behind, repaired by a sweep. Never the truth. */
export type RegistryIndex = z.infer<typeof indexSchema>

export type IndexReading =
  | { readonly status: 'found'; readonly index: RegistryIndex; readonly etag: string }
  | { readonly status: 'not_modified' }
  | { readonly status: 'missing' }

/** Reads the hint: one conditional GET tells which of all models changed. */
export async function readIndex(
  store: BlobStore,
  options: ReadOptions = {},
): Promise<IndexReading> {
  const found = await store.get(INDEX_KEY, {
    maxBytes: MAX_INDEX_BYTES,
    ifNoneMatch: options.etag ?? undefined,
    signal: options.signal,
  })
  if (found.status !== 'found') return found
  const source = { url: store.url, key: INDEX_KEY }
  const index = decodeRecord(indexSchema, INDEX_SCHEMA, found.body, source)
  return { status: 'found', index, etag: found.etag }
}

/** Notes a change of one model; entries only grow, so a late writer takes nothing back. */
export async function noteInIndex(
  store: BlobStore,
  name: string,
  change: IndexEntry,
  options: BlobOptions = {},
): Promise<void> {
  await swapIndex(store, (models) => models.set(name, merge(models.get(name), change)), options)
}

/**
 * Puts what a scan found in place of the index. Entries that changed since `before`, the index as it was when
 * the scan began, may be newer than the scan and are merged instead; those of models that cannot be read stay.
 */
export async function replaceIndex(
  store: BlobStore,
  scanned: readonly ScannedModel[],
  before: RegistryIndex | null,
  broken: ReadonlySet<string>,
  options: BlobOptions = {},
): Promise<void> {
  const beforeModels = modelsOf(before)
  const isNewer = (name: string, entry: IndexEntry | undefined) =>
    JSON.stringify(entry) !== JSON.stringify(beforeModels.get(name))
  await swapIndex(
    store,
    (models) => {
      for (const [name, entry] of models) {
        if (!isNewer(name, entry) && !broken.has(name)) models.delete(name)
      }
      for (const { name, kind, versions, state } of scanned) {
        const entry = { kind, latest: versions.at(-1)!, revision: state.revision }
        models.set(name, merge(models.get(name), entry))
      }
    },
    options,
  )
}

function merge(
  present: IndexEntry | undefined,
  { kind, latest, revision }: IndexEntry,
): IndexEntry {
  return {
    kind,
    latest: Math.max(latest, present?.latest ?? 0),
    revision: Math.max(revision, present?.revision ?? 0),
  }
}

function modelsOf(index: RegistryIndex | null): Map<string, IndexEntry> {
  return new Map(Object.entries(index?.models ?? {}))
}

async function swapIndex(
  store: BlobStore,
  change: (models: Map<string, IndexEntry>) => void,
  options: BlobOptions,
): Promise<void> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const present = await readForSwap(store, options)
    const models = modelsOf(present.index)
    change(models)
    const sorted = Object.fromEntries([...models].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (present.index && JSON.stringify(present.index.models) === JSON.stringify(sorted)) return
    const revision = (present.index?.revision ?? 0) + 1
    const next: RegistryIndex = { schema: INDEX_SCHEMA, revision, models: sorted }
    const body = encodeRecord(next, MAX_INDEX_BYTES, INDEX_KEY)
    const written =
      present.etag === null
        ? await store.putIfAbsent(INDEX_KEY, body, options)
        : await store.putIfMatch(INDEX_KEY, body, present.etag, options)
    if (written.status === 'created' || written.status === 'replaced') return
    await pause(attempt, options.signal)
  }
  throw new EspalierError('version_conflict', `${INDEX_KEY} kept changing; a sweep will repair it`)
}

/** A corrupt index is replaced by what is known; the next sweep completes it. */
async function readForSwap(
  store: BlobStore,
  options: BlobOptions,
): Promise<{ index: RegistryIndex | null; etag: string | null }> {
  try {
    const reading = await readIndex(store, { signal: options.signal })
    if (reading.status === 'found') return reading
    return { index: null, etag: null }
  } catch (error) {
    if (!isEspalierError(error, 'artifact_corrupt')) throw error
    return { index: null, etag: (await store.head(INDEX_KEY, options))?.etag ?? null }
  }
}
