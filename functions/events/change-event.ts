import { z } from 'zod'
import { EspalierError } from '../../shared/lib/errors.ts'
import { parseStateKey } from '../../shared/registry/records/names.ts'
import { describeIssue } from '../../shared/registry/records/record.ts'
import { type Change, decodeState } from '../../shared/registry/records/state.ts'

/** What rules of EventBridge choose our events by. */
export const EVENT_SOURCE = 'espalier.registry'
export const EVENT_TYPE = 'Espalier Model Changed'

/** S3's event as EventBridge delivers it, as far as it is used; its keys are not encoded. */
const objectCreatedSchema = z.object({
  region: z.string().min(1),
  detail: z.object({
    bucket: z.object({ name: z.string().min(1) }),
    object: z.object({ key: z.string().min(1), 'version-id': z.string().min(1) }),
  }),
})

/** One writing of a model's state. */
export interface StateWritten {
  readonly region: string
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  readonly model: string
  /** What `ESPALIER_REGISTRY` is for the registry that it lies in. */
  readonly registry: string
}

/** The detail of our event: a change as the history of the model has it, and where it is from. */
export interface ModelChanged extends Change {
  readonly registry: string
  readonly model: string
  /** Grows by one with each change of the model. */
  readonly revision: number
}

/**
 * Reads what S3 says was written.
 * @throws EspalierError `invalid_request` for another event, also for one of a bucket that keeps no versions
 */
export function readStateWritten(event: unknown): StateWritten {
  const parsed = objectCreatedSchema.safeParse(event)
  if (!parsed.success) {
    const message = `this is no event of S3 about a new version of an object: ${describeIssue(parsed.error)}`
    throw new EspalierError('invalid_request', message)
  }
  const { region, detail } = parsed.data
  const { key, 'version-id': versionId } = detail.object
  const bucket = detail.bucket.name
  const [, prefix = '', stateKey = ''] = /^(.*\/)?(models\/[^/]+\/[^/]+)$/.exec(key) ?? []
  const model = parseStateKey(stateKey)
  if (model === null) {
    throw new EspalierError('invalid_request', `${key} in s3://${bucket} is no state of a model`)
  }
  const registry = `s3://${bucket}/${prefix.slice(0, -1)}?region=${region}`
  return { region, bucket, key, versionId, model, registry }
}

/**
 * The change that made a state what it is: each writing adds exactly one to the end of the history.
 * @throws EspalierError `artifact_corrupt`, `unsupported_schema`
 */
export function describeChange(
  { registry, model }: Pick<StateWritten, 'registry' | 'model'>,
  body: Uint8Array,
): ModelChanged {
  const { revision, history } = decodeState(body, { url: registry, name: model })
  const change = history.at(-1)
  if (change === undefined) {
    throw new EspalierError(
      'artifact_corrupt',
      `the state of ${model} in ${registry} has no history`,
    )
  }
  return { registry, model, revision, ...change }
}
