import { IMAGE_TYPES } from '../../../shared/contract/uploads.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { ApiContext, ApiMiddleware } from '../types.ts'
import { isUpload } from './read-upload.ts'

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json\s*(?:;|$)/i

/** Lets plain JSON bodies pass and refuses the rest with 415. */
export function jsonContentType(): ApiMiddleware {
  return async function checkContentType(c, next) {
    const type = c.req.header('content-type')
    if (type === undefined || !JSON_TYPE.test(type)) {
      throw wrongType(type, 'send "content-type: application/json"')
    }
    checkEncoding(c)
    await next()
  }
}

/** Lets plain JSON, forms and images pass and refuses the rest with 415. */
export function inputContentType(): ApiMiddleware {
  return async function checkContentType(c, next) {
    const type = c.req.header('content-type')
    if (type === undefined || !(JSON_TYPE.test(type) || isUpload(type))) {
      const images = `multipart/form-data, ${IMAGE_TYPES.join(' or ')}`
      throw wrongType(type, `send "content-type: application/json", or for images ${images}`)
    }
    checkEncoding(c)
    await next()
  }
}

function wrongType(type: string | undefined, fix: string): EspalierError {
  const given = type === undefined ? 'missing' : quote(type)
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
