import { forEachConcurrently } from '../lib/concurrency.ts'
import { type EspalierError, isEspalierError } from '../lib/errors.ts'
import type { ModelKind } from './records/manifest.ts'
import { MODELS_PREFIX, parseVersionKey } from './records/names.ts'
import { emptyState, type ModelState } from './records/state.ts'
import { readState } from './state-store.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { readVersion } from './versions.ts'

/** Records read at the same time. */
export const READ_CONCURRENCY = 8

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
  const found: ScannedModel[] = []
  const models = await listAllVersions(store, options)
  await forEachConcurrently(models, READ_CONCURRENCY, async ([name, numbers]) => {
    try {
      const model = await scanModel(store, name, numbers, options)
      if (model !== null) found.push(model)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      onUnreadable(name, error)
    }
  })
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

/** True for a record that is damaged or newer than this program; false where the store fails. */
export function isUnreadable(error: unknown): error is EspalierError {
  return isEspalierError(error, 'artifact_corrupt') || isEspalierError(error, 'unsupported_schema')
}
