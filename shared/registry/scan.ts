import { type EspalierError, isEspalierError } from '../lib/errors.ts'
import type { BlobOptions, BlobStore } from './blob-store.ts'
import type { ModelKind } from './manifest.ts'
import { MODELS_PREFIX, parseVersionKey } from './names.ts'
import { emptyState, type ModelState } from './state.ts'
import { readState } from './state-store.ts'
import { readVersion } from './versions.ts'

/** Models read at the same time. */
const CONCURRENCY = 8

/** A model as the store has it. */
export interface ScannedModel {
  readonly name: string
  readonly kind: ModelKind
  /** Versions that are not deleted, ascending; never empty. */
  readonly versions: readonly number[]
  readonly state: ModelState
}

/** All version numbers of all models, deleted ones too, from one listing. */
export async function listAllVersions(
  store: BlobStore,
  options: BlobOptions = {},
): Promise<Map<string, number[]>> {
  const models = new Map<string, number[]>()
  for await (const { key } of store.list(MODELS_PREFIX, options)) {
    const parsed = parseVersionKey(key)
    if (parsed === null) continue
    const numbers = models.get(parsed.name)
    if (numbers === undefined) models.set(parsed.name, [parsed.version])
    else numbers.push(parsed.version)
  }
  return models
}

/**
 * Every model that has a version, by name, read from the objects themselves: the truth, at two reads a model or more.
 * A model whose records cannot be read is handed to `onUnreadable` and left out.
 */
export async function scanModels(
  store: BlobStore,
  onUnreadable: (name: string, error: Error) => void,
  options: BlobOptions = {},
): Promise<ScannedModel[]> {
  const waiting = [...(await listAllVersions(store, options))].sort(([a], [b]) => (a < b ? -1 : 1))
  const found: ScannedModel[] = []
  const queue = waiting.values()
  const work = async () => {
    for (const [name, numbers] of queue) {
      try {
        const model = await scanModel(store, name, numbers, options)
        if (model !== null) found.push(model)
      } catch (error) {
        if (!isUnreadable(error)) throw error
        onUnreadable(name, error)
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function scanModel(
  store: BlobStore,
  name: string,
  numbers: readonly number[],
  options: BlobOptions,
): Promise<ScannedModel | null> {
  const reading = await readState(store, name, options)
  const state = reading.status === 'found' ? reading.state : emptyState(name)
  const deleted = new Set(state.deleted)
  const versions = numbers.filter((number) => !deleted.has(number)).sort((a, b) => a - b)
  let fault: unknown = null
  // All versions are of one kind: a corrupt one does not hide the model.
  for (const version of versions.toReversed()) {
    try {
      const record = (await readVersion(store, name, version, options))?.record
      if (record !== undefined) return { name, kind: record.kind, versions, state }
    } catch (error) {
      if (!isUnreadable(error)) throw error
      fault ??= error
    }
  }
  if (fault !== null) throw fault
  return null
}

function isUnreadable(error: unknown): error is EspalierError {
  return isEspalierError(error, 'artifact_corrupt') || isEspalierError(error, 'unsupported_schema')
}

/**
 * The hashes that any version of any model names.
 * @throws EspalierError `artifact_corrupt` or `unsupported_schema` where a manifest cannot be read: then nobody
 * knows which blobs are free
 */
export async function collectUsedBlobs(
  store: BlobStore,
  options: BlobOptions = {},
): Promise<Set<string>> {
  const used = new Set<string>()
  for (const [name, numbers] of await listAllVersions(store, options)) {
    for (const number of numbers) {
      const found = await readVersion(store, name, number, options)
      if (found === null || 'deleted' in found.record) continue
      for (const { sha256 } of found.record.files) used.add(sha256)
    }
  }
  return used
}
