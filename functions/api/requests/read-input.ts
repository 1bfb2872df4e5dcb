import { IMAGE_TYPES } from '../../../shared/contract/uploads.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { ApiContext, Route } from '../types.ts'
import type { BoundedBodies } from './bounded-body.ts'
import { JsonBody } from './read-json.ts'
import { isUpload, readUpload, type UploadLimits } from './read-upload.ts'

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json\s*(?:;|$)/i

/** What stands between a connection and the work of a route. */
export interface Intake {
  readonly bodies: BoundedBodies
  readonly admission: {
    check(caller: string | null): void
    hold<T>(caller: string | null, work: () => Promise<T>): Promise<T>
  }
  readonly limits: UploadLimits & { readonly maxInputs: number }
}

/**
 * Reads the body of a route into the context, then does the `work` with a permit, while the body counts as held: JSON,
 * and where the route takes images also a form with images, or an image itself. What stands beside images in a form
 * is left in the context as JSON would be.
 * @throws EspalierError `unsupported_media_type`, `invalid_json`, and whatever admission and reading can throw
 */
export async function readInput<T>(
  c: ApiContext,
  { uploads }: Pick<Route, 'uploads'>,
  { bodies, admission, limits }: Intake,
  work: () => Promise<T>,
): Promise<T> {
  const caller = c.get('record').caller?.name ?? null
  admission.check(caller)
  const type = c.req.header('content-type') ?? ''
  const isJson = JSON_TYPE.test(type)
  if (!isJson && (uploads === undefined || !isUpload(type))) throw wrongType(c, uploads)
  checkEncoding(c)
  const json = isJson ? new JsonBody(uploads, limits.maxInputs) : null
  const inspect = json && ((part: Uint8Array) => json.inspect(part))
  return bodies.use(c, inspect, (bytes) =>
    admission.hold(caller, async () => {
      if (json) c.set('body', await json.parse(bytes))
      else
        takeUpload(
          c,
          uploads as NonNullable<typeof uploads>,
          readUpload(type, bytes, c.req.queries(), limits),
        )
      return work()
    }),
  )
}

function takeUpload(
  c: ApiContext,
  field: 'input' | 'inputs',
  { fields, ...upload }: ReturnType<typeof readUpload>,
): void {
  if (fields[field] !== undefined) {
    const message = `${field} and images in one form; send one or the other`
    throw new EspalierError('invalid_request', message, { param: field })
  }
  c.set('upload', upload)
  c.set('body', { ...fields, [field]: [] })
}

function wrongType(c: ApiContext, uploads: Route['uploads']): EspalierError {
  const type = c.req.header('content-type')
  const given = type === undefined ? 'missing' : quote(type)
  const images = `multipart/form-data, ${IMAGE_TYPES.join(' or ')}`
  const fix =
    uploads === undefined
      ? 'send "content-type: application/json"'
      : `send "content-type: application/json", or for images ${images}`
  const message = `content-type is ${given}; ${fix}`
  return new EspalierError('unsupported_media_type', message, { param: 'content-type' })
}

function checkEncoding(c: ApiContext): void {
  const encoding = c.req.header('content-encoding')
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  throw new EspalierError(
    'unsupported_media_type',
    `content-encoding is ${quote(encoding)}; send the body uncompressed`,
    { param: 'content-encoding' },
  )
}
