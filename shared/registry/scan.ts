import { forEachConcurrently } from '../lib/concurrency.ts'
import { type EspalierError, isEspalierError } from '../lib/errors.ts'
import { type BrokenModel, listRecords } from './list-records.ts'
import type { ModelKind } from './records/manifest.ts'
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

/**
 * Every model that has a version, by name, read from the objects themselves: the truth, at two reads a model or more.
 * `onBroken` is told of every model of which a record cannot be read; it is left out where no version can be served.
 */
export async function scanModels(
  store: BlobStore,
  onBroken: (model: BrokenModel) => void,
  options: BlobOptions = {},
): Promise<ScannedModel[]> {
  const found: ScannedModel[] = []
  const { versions, faults, versionFaults } = await listRecords(store, undefined, options)
  const broken = new Map([...versionFaults, ...faults])
  await forEachConcurrently(versions, READ_CONCURRENCY, async ([name, numbers]) => {
    if (faults.has(name)) return
    const onFault = (error: EspalierError) => broken.set(name, error.message)
    const model = await scanModel(store, name, numbers, onFault, options)
    if (model !== null) found.push(model)
  })
  for (const [name, reason] of [...broken].sort(([a], [b]) => (a < b ? -1 : 1))) {
    onBroken({ name, reason })
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function scanModel(
  store: BlobStore,
  name: string,
  numbers: readonly number[],
  onFault: (error: EspalierError) => void,
  options: BlobOptions,
): Promise<ScannedModel | null> {
  const attempt = async <T>(read: () => Promise<T>): Promise<T | 'unreadable'> => {
    try {
      return await read()
    } catch (error) {
      if (!isUnreadable(error)) throw error
      onFault(error)
      return 'unreadable'
    }
  }
  const reading = await attempt(() => readState(store, name, options))
  if (reading === 'unreadable') return null
  const state = reading.status === 'found' ? reading.state : emptyState(name)
  const deleted = new Set(state.deleted)
  const versions = numbers.filter((number) => !deleted.has(number)).sort((a, b) => a - b)
  // All versions are of one kind: a corrupt one does not hide the model.
  for (const version of versions.toReversed()) {
    const found = await attempt(() => readVersion(store, name, version, options))
    if (found === 'unreadable' || found === null) continue
    return { name, kind: found.record.kind, versions, state }
  }
  return null
}

/** True for an object that is damaged, newer than this program, or kept from it; false where the store fails. */
export function isUnreadable(error: unknown): error is EspalierError {
  return UNREADABLE.some((code) => isEspalierError(error, code))
}

const UNREADABLE = ['artifact_corrupt', 'unsupported_schema', 'object_unreadable'] as const
