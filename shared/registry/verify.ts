import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forEachConcurrently } from '../lib/concurrency.ts'
import type { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import { hint, say, task, type Wording } from '../lib/wording.ts'
import { readIndex } from './index-hint.ts'
import { listRecords } from './list-records.ts'
import type { ManifestFile, ModelKind } from './records/manifest.ts'
import { blobKey, checkModelName } from './records/names.ts'
import type { ModelState } from './records/state.ts'
import { isUnreadable, READ_CONCURRENCY } from './scan.ts'
import { readState } from './state-store.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { readVersion } from './versions.ts'

/** Blobs read at the same time. */
const BLOB_CONCURRENCY = 4

export interface VerifyOptions extends BlobOptions {
  /** Only this model. */
  readonly name?: string | undefined
  readonly onProgress?: Progress | undefined
  /** Says what is wrong with a file beside its bytes, of which `copy` is on this machine; null where nothing is. */
  readonly inspect?: ((file: InspectedFile, copy: string) => Promise<string | null>) | undefined
}

/** A file of a version. */
export interface InspectedFile extends ManifestFile {
  readonly name: string
  readonly version: number
  readonly kind: ModelKind
}

/** One thing that is wrong. */
export interface Damage {
  /** What it is of: a model, a version, a file of a version, or an object of the store. */
  readonly what: string
  readonly why: string | Wording
}

/** What was walked, and all that is wrong with it. */
export interface VerifyReport {
  readonly models: number
  readonly versions: number
  readonly blobs: number
  readonly bytes: number
  readonly damages: readonly Damage[]
}

/**
 * Walks manifests, states and files, and reads every byte: records are readable, aliases, traffic and shadow
 * mean versions that exist, files are there with their size and sha256. Changes made meanwhile are no damage.
 */
export async function verifyRegistry(
  store: BlobStore,
  { name, onProgress, inspect = async () => null, signal }: VerifyOptions = {},
): Promise<VerifyReport> {
  const options = { signal }
  const damages: Damage[] = []
  const note = (what: string, why: string | Wording): void => void damages.push({ what, why })
  /** What a reader gives, or the reason why there is nothing, as damage. */
  const attempt = async <T>(what: string, read: () => Promise<T>): Promise<T | null> => {
    try {
      return await read()
    } catch (error) {
      if (!isUnreadable(error)) throw error
      note(what, error.message)
      return null
    }
  }

  if (name !== undefined) checkModelName(name)
  const listed = await listRecords(store, name, options)
  const { states, faults } = listed
  for (const [model, why] of faults) note(model, why)
  const versions = [...listed.versions].flatMap(([name, numbers]) =>
    numbers.map((version) => ({ name, version })),
  )
  const files = new Map<string, InspectedFile[]>()
  const models = new Set<string>()
  let alive = 0
  let done = 0
  await forEachConcurrently(versions, READ_CONCURRENCY, async ({ name, version }) => {
    const label = `${name}@v${version}`
    const found = await attempt(label, () => readVersion(store, name, version, options))
    onProgress?.('versions', ++done, versions.length)
    const deleted = found !== null && 'deleted' in found.record
    if (!deleted) models.add(name)
    if (found === null || 'deleted' in found.record) return
    alive++
    const { kind } = found.record
    for (const file of found.record.files) {
      const users = files.get(file.sha256) ?? []
      files.set(file.sha256, [...users, { ...file, name, version, kind }])
    }
  })
  await forEachConcurrently(states, READ_CONCURRENCY, async (model) => {
    const reading = await attempt(model, () => readState(store, model, options))
    if (reading?.status === 'found') await checkState(store, reading.state, note, options)
  })
  if (name === undefined) await attempt('index.json', () => readIndex(store, options))

  const scratch = await mkdtemp(join(tmpdir(), 'espalier-verify-'))
  let bytes = 0
  done = 0
  try {
    await forEachConcurrently(files.values(), BLOB_CONCURRENCY, async (users) => {
      const [file] = users as [InspectedFile]
      const look = (copy: string) => inspect(file, copy)
      const why = await checkBlob(store, file, join(scratch, file.sha256), look, options)
      if (why === null) bytes += file.bytes
      for (const user of why === null ? [] : await stillThere(store, users, options)) {
        note(`${user.path} of ${user.name}@v${user.version}`, why!)
      }
      onProgress?.('files', ++done, files.size)
    })
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  for (const [model, why] of listed.versionFaults) {
    // Most have been noted by their version.
    if (!damages.some(({ what }) => what.startsWith(`${model}@v`))) note(model, why)
  }
  damages.sort((a, b) => (a.what < b.what ? -1 : a.what > b.what ? 1 : 0))
  return { models: models.size, versions: alive, blobs: files.size, bytes, damages }
}

/** Whatever a state names must be there; a deletion that was begun must have been finished. */
async function checkState(
  store: BlobStore,
  state: ModelState,
  note: (what: string, why: string | Wording) => void,
  options: BlobOptions,
): Promise<void> {
  const uses: [string, number][] = [
    ...Object.entries(state.aliases).map(([alias, version]): [string, number] => [
      `${state.name}@${alias}`,
      version,
    ]),
    ...(state.traffic ?? []).map(({ version }): [string, number] => [
      `traffic of ${state.name}`,
      version,
    ]),
  ]
  if (state.shadow !== null) uses.push([`shadow of ${state.name}`, state.shadow.version])
  for (const [what, version] of uses) {
    const status = await statusOf(store, state.name, version, options)
    if (status === 'missing') note(what, `it means v${version}, which does not exist`)
    if (status === 'deleted') note(what, `it means v${version}, which was deleted`)
  }
  for (const version of state.deleted) {
    if ((await statusOf(store, state.name, version, options)) !== 'present') continue
    const label = `${state.name}@v${version}`
    note(
      label,
      say`its deletion was not finished${hint(say`; ${task('delete', label)} does that`)}`,
    )
  }
}

/** A record that cannot be read was noted as such already. */
async function statusOf(store: BlobStore, name: string, version: number, options: BlobOptions) {
  try {
    const found = await readVersion(store, name, version, options)
    if (found === null) return 'missing'
    return 'deleted' in found.record ? 'deleted' : 'present'
  } catch (error) {
    if (isUnreadable(error)) return 'unreadable'
    throw error
  }
}

/** Why a file's content is not what its manifest says; null where it is. */
async function checkBlob(
  store: BlobStore,
  { sha256, bytes }: ManifestFile,
  path: string,
  look: (copy: string) => Promise<string | null>,
  { signal }: BlobOptions,
): Promise<string | null> {
  const key = blobKey(sha256)
  try {
    const info = await store.head(key, { signal })
    if (info === null) return `${key} is missing`
    if (info.bytes !== bytes) return `${key} has ${info.bytes} bytes, not ${bytes}`
    const found = await store.download(key, path, { maxBytes: bytes, signal })
    if (found === null) return `${key} is missing`
    if (found.sha256 !== sha256) return `${key} is corrupt: its sha256 is ${found.sha256}`
    return await look(path)
  } catch (error) {
    if (isUnreadable(error)) return (error as EspalierError).message
    throw error
  } finally {
    await rm(path, { force: true })
  }
}

/** Leaves out versions that were deleted while their files were read. */
async function stillThere(
  store: BlobStore,
  users: readonly InspectedFile[],
  options: BlobOptions,
): Promise<InspectedFile[]> {
  const there: InspectedFile[] = []
  for (const user of users) {
    const status = await statusOf(store, user.name, user.version, options)
    if (status === 'present') there.push(user)
  }
  return there
}
