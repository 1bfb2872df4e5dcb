import { EspalierError } from '../../../shared/lib/errors.ts'
import type { BoundedBodies } from '../requests/bounded-body.ts'
import { isUpload, readUpload, type UploadLimits } from '../requests/read-upload.ts'
import type { ApiMiddleware } from '../types.ts'
import { parseJson } from './json-body.ts'

/**
 * Reads bounded bodies of routes that take images: JSON, a form with images, or an image itself. The fields
 * beside images are left in the context as JSON would be; `field` is the one that holds the inputs.
 */
export function inputBody(
  bodies: BoundedBodies,
  field: 'input' | 'inputs',
  limits: UploadLimits,
): ApiMiddleware {
  return function readInputBody(c, next) {
    return bodies.use(c, (bytes) => {
      const type = c.req.header('content-type') ?? ''
      if (isUpload(type)) {
        const { fields, ...upload } = readUpload(type, bytes, c.req.queries(), limits)
        if (fields[field] !== undefined) {
          const message = `${field} and images in one form; send one or the other`
          throw new EspalierError('invalid_request', message, { param: field })
        }
        c.set('upload', upload)
        c.set('body', { ...fields, [field]: [] })
      } else {
        c.set('body', parseJson(bytes))
      }
      return next()
    })
  }
}
