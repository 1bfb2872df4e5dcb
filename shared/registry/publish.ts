import { createHash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { EspalierError, isEspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import { formatModelVersion } from '../lib/text/model-address.ts'
import { describeFile, type PublishFile, storeBlob } from './blobs.ts'
import {
  encodeManifest,
  MANIFEST_SCHEMA,
  MAX_FILES,
  type ModelKind,
  type Tombstone,
  type VersionDescription,
  type VersionManifest,
} from './records/manifest.ts'
import { checkModelName, versionKey } from './records/names.ts'
import { bindRequest } from './requests.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { awaitSweeps } from './sweep.ts'
import { listNumbers, nextNumber, readVersion } from './versions.ts'

/** Numbers tried before giving up; each one lost means that another publisher's version was created. */
const MAX_ATTEMPTS = 1_000
const MAX_IDEMPOTENCY_KEY_LENGTH = 500

/** What to publish. */
export interface PublishRequest extends VersionDescription {
  readonly name: string
  readonly files: readonly PublishFile[]
  /** Publishing again with the same key gives the same version. */
  readonly idempotencyKey?: string | undefined
  /**
   * What has to be the same under the same key, where the files may differ: a report holds times.
   * @default the kind and the files
   */
  readonly idempotencyContent?: string | undefined
}

/** What a copy keeps of the version that it is a copy of. */
export interface OriginalVersion {
  readonly createdAt: string
  readonly publication: string
  /** The only number that the copy may have; the next free one where it is left out. */
  readonly version?: number | undefined
}

/** `created` is false where an earlier publication with the same idempotency key made the version. */
export interface Publication {
  readonly manifest: VersionManifest
  readonly created: boolean
}

/** What publishing takes from its surroundings. */
export interface PublishContext extends BlobOptions {
  readonly store: BlobStore
  readonly clock: Clock
  readonly newId: () => string
  readonly original?: OriginalVersion | undefined
  /** Told the bytes that are stored, as stage `storing`. */
  readonly onProgress?: Progress | undefined
}

/**
 * Stores the files, then creates the manifest under the next free number: the commit point. Publishers that
 * race get different numbers. What fails before leaves nothing but blobs that no version names.
 * @throws EspalierError `invalid_name`, `invalid_data`, `wrong_model_kind`, `version_conflict`, and the store's
 */
export async function publish(
  request: PublishRequest,
  context: PublishContext,
): Promise<Publication> {
  const { store } = context
  const draft = await draftManifest(request, context)
  await checkKind(draft, context)
  let stored = false
  const commit = async (version: number): Promise<VersionManifest | null> => {
    const manifest = { ...draft, version }
    const body = encodeManifest(manifest)
    if (!stored) await storeFiles(request, draft, manifest, context)
    stored = true
    const key = versionKey(draft.name, version)
    if ((await store.putIfAbsent(key, body, context)).status === 'created') return manifest
    const present = await readReadable(draft.name, version, context)
    if (present === null) return null
    // A write whose answer was lost: the manifest that is in the way is this publisher's own.
    const own = !('deleted' in present) && present.publication === draft.publication
    if (own) return manifest
    refuseOtherKind(draft, present)
    return null
  }
  const publication =
    draft.idempotencyHash === undefined
      ? await commitNext(draft.name, commit, context)
      : await bindRequest(draft, draft.idempotencyHash, commit, {
          store,
          content: request.idempotencyContent,
          wanted: context.original?.version,
          signal: context.signal,
        })
  // Blobs that were there before may have been collected just before the commit; and whoever published
  // under this key before may have died before looking.
  const { manifest } = publication
  await awaitSweeps(
    manifest.files.map(({ sha256 }) => sha256),
    context,
  )
  await storeFiles(request, draft, manifest, context)
  return publication
}

async function commitNext(
  name: string,
  commit: (version: number) => Promise<VersionManifest | null>,
  context: PublishContext,
): Promise<Publication> {
  const first = await nextNumber(context.store, name, context)
  for (let version = first; version < first + MAX_ATTEMPTS; version++) {
    const manifest = await commit(version)
    if (manifest !== null) return { manifest, created: true }
  }
  throw new EspalierError(
    'version_conflict',
    `${name} got ${MAX_ATTEMPTS} versions while another was to be published; try again`,
  )
}

async function draftManifest(
  request: PublishRequest,
  context: PublishContext,
): Promise<VersionManifest> {
  const { name, files, idempotencyKey, idempotencyContent: _, ...description } = request
  checkModelName(name)
  if (files.length < 1 || files.length > MAX_FILES) {
    throw new EspalierError(
      'invalid_data',
      `a version has 1 to ${MAX_FILES} files, not ${files.length}`,
    )
  }
  const length = idempotencyKey?.length ?? 1
  if (length < 1 || length > MAX_IDEMPOTENCY_KEY_LENGTH) {
    throw new EspalierError(
      'invalid_data',
      `an idempotency key has 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} characters`,
    )
  }
  const draft: VersionManifest = {
    schema: MANIFEST_SCHEMA,
    name,
    version: 1,
    createdAt: context.original?.createdAt ?? new Date(context.clock.wallMs()).toISOString(),
    ...description,
    files: [],
    publication: context.original?.publication ?? context.newId(),
  }
  for (const file of files) draft.files.push(await describeFile(file, context))
  if (idempotencyKey !== undefined) {
    draft.idempotencyHash = createHash('sha256').update(idempotencyKey).digest('hex')
  }
  // Whatever a manifest cannot hold is refused before a byte is sent.
  encodeManifest(draft)
  return draft
}

async function storeFiles(
  { files }: PublishRequest,
  { files: described }: VersionManifest,
  present: VersionManifest,
  context: PublishContext,
): Promise<void> {
  const nowMs = context.clock.wallMs()
  // An earlier publication under the same key may name other files.
  const named = new Set(present.files.map(({ sha256 }) => sha256))
  const total = described.reduce((sum, { bytes }) => sum + bytes, 0)
  let done = 0
  for (const [at, { source }] of files.entries()) {
    const file = described[at]!
    if (named.has(file.sha256)) await storeBlob(context.store, file, source, nowMs, context)
    done += file.bytes
    context.onProgress?.('storing', done, total)
  }
}

/** A name means one kind of model for good: clients of an encoder cannot read a classifier's answers. */
async function checkKind(draft: VersionManifest, context: PublishContext): Promise<void> {
  const latest = (await listNumbers(context.store, draft.name, context)).at(-1)
  if (latest === undefined) return
  const present = await readReadable(draft.name, latest, context)
  if (present !== null) refuseOtherKind(draft, present)
}

/** A corrupt manifest must not keep anybody from publishing its replacement. */
async function readReadable(
  name: string,
  version: number,
  context: PublishContext,
): Promise<VersionManifest | Tombstone | null> {
  try {
    return (await readVersion(context.store, name, version, context))?.record ?? null
  } catch (error) {
    if (isEspalierError(error, 'artifact_corrupt') || isEspalierError(error, 'object_unreadable')) {
      return null
    }
    throw error
  }
}

function refuseOtherKind(
  draft: { name: string; kind: ModelKind },
  present: VersionManifest | Tombstone,
): void {
  if (draft.kind === present.kind) return
  throw new EspalierError(
    'wrong_model_kind',
    `${formatModelVersion(present)} is of kind ${present.kind}; a version of kind ${draft.kind} needs another name`,
  )
}
