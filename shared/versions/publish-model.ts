import { EspalierError, isEspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import { CHAMPION, formatModelVersion } from '../lib/text/model-address.ts'
import { option, say } from '../lib/wording.ts'
import type { ModelKind } from '../registry/records/manifest.ts'
import { checkModelName } from '../registry/records/names.ts'
import type { ModelState } from '../registry/records/state.ts'
import type { Registry, RegistryVersion } from '../registry/types.ts'
import { readPublishable } from './publishable.ts'

/** Looks for the newest version while others publish and delete. */
const MAX_LOOKS = 5

/** What publishing works with. */
export interface PublishModelDeps {
  readonly registry: Registry
  /** Names of the encoders that ship with the product. */
  readonly builtinEncoders: () => Promise<readonly string[]>
}

/** What nobody but the caller knows of a head. */
export interface HeadOrigin {
  /** The encoder that it reads, such as `sentiment-encoder@v1`. */
  readonly encoder: string
  readonly method: string
  readonly why: string
}

/** One publication. */
export interface PublishModelRequest {
  /** An encoder artifact folder, a folder with a head, or the file of a head. */
  readonly path: string
  /** The encoder's own where it is left out; a head has none. */
  readonly name?: string | undefined
  readonly kind?: ModelKind | undefined
  readonly description?: string | undefined
  /** Where a head comes from, if its files do not say. */
  readonly origin?: HeadOrigin | undefined
  readonly by?: string | undefined
  readonly reason?: string | undefined
  readonly idempotencyKey?: string | undefined
  /** Make it the champion. */
  readonly promote: boolean
  /** The `id` of the promotion in the history. */
  readonly changeId?: string | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** What became of a publication. */
export interface PublishModelResult {
  readonly version: RegistryVersion
  /** False where the idempotency key had made it before. */
  readonly created: boolean
  /** The state after the promotion; null where none was asked for, or where an earlier try made it. */
  readonly state: ModelState | null
}

/**
 * Publishes what lies at a path as a new version; it is checked whole before a byte is sent.
 * @throws EspalierError `invalid_data`, `invalid_name`, `wrong_model_kind`, `artifact_corrupt`, and the registry's
 */
export async function publishModel(
  { registry, builtinEncoders }: PublishModelDeps,
  request: PublishModelRequest,
): Promise<PublishModelResult> {
  const { path, signal, by, reason, origin } = request
  if (request.name !== undefined) checkModelName(request.name)
  const { name: ownName, description, files } = await readPublishable(path, request.kind)
  const name = request.name ?? ownName?.toLowerCase()
  if (name === undefined) {
    const message = say`${path} is a classifier; give it a ${option('name')}`
    throw new EspalierError('invalid_request', message)
  }
  checkModelName(name)
  const { kind } = description
  await checkTargetKind(registry, name, kind, signal)
  const encoders = await builtinEncoders()
  if (kind === 'classifier' && encoders.some((encoder) => encoder.toLowerCase() === name)) {
    throw new EspalierError(
      'wrong_model_kind',
      say`${name} is a built-in encoder; give the classifier another ${option('name')}`,
    )
  }
  // Files may be large, and are sent before what names them.
  await registry.checkWritable(name, { signal })
  const { version, created } = await registry.publish(
    {
      ...description,
      name,
      files,
      idempotencyKey: request.idempotencyKey,
      ...(origin && {
        metadata: { ...description.metadata, method: origin.method, why: origin.why },
        lineage: { ...description.lineage, encoder: origin.encoder },
      }),
      ...(request.description !== undefined && { description: request.description }),
      ...(by !== undefined && { createdBy: by }),
    },
    { signal, onProgress: request.onProgress },
  )
  const again = !created && (await wasPromoted(registry, version, signal))
  if (!request.promote || again) return { version, created, state: null }
  const state = await registry.promote(name, version.version, {
    id: request.changeId,
    by,
    reason,
    signal,
  })
  return { version, created, state }
}

/**
 * Refuses a name of another kind of model, built-in ones included, before any work is done for it.
 * @throws EspalierError `wrong_model_kind`
 */
export async function checkTargetKind(
  registry: Registry,
  name: string,
  kind: ModelKind,
  signal: AbortSignal | undefined,
): Promise<void> {
  const present = await readNewest(registry, name, signal)
  if (present === null || present.kind === kind) return
  throw new EspalierError(
    'wrong_model_kind',
    `${formatModelVersion(present)} is of kind ${present.kind}; a version of kind ${kind} needs another name`,
  )
}

/** The newest version, which others may delete, or a built-in one that a first of the user's own now shadows. */
async function readNewest(
  registry: Registry,
  name: string,
  signal: AbortSignal | undefined,
): Promise<RegistryVersion | null> {
  for (let attempt = 1; ; attempt++) {
    const newest = (await registry.listVersions(name, { signal })).at(-1)
    if (newest === undefined) return null
    try {
      return await registry.getVersion(name, newest, { signal })
    } catch (error) {
      const gone = isEspalierError(error, 'version_not_found')
      if (!gone || attempt === MAX_LOOKS) throw error
    }
  }
}

/** A retry that comes late must not take back what was promoted since. */
export async function wasPromoted(
  registry: Registry,
  { name, version }: { readonly name: string; readonly version: number },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const reading = await registry.readState(name, { signal })
  if (reading.status !== 'found') return false
  return reading.state.history.some(
    ({ action, alias, to }) => action === 'promote' && alias === CHAMPION && to === version,
  )
}
