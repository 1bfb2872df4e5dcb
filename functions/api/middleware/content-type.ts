import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/quote.ts'
import type { ApiMiddleware } from '../types.ts'

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json\s*(?:;|$)/i

/** Lets plain JSON bodies pass and refuses the rest with 415. */
export function jsonContentType(): ApiMiddleware {
  return async function checkContentType(c, next) {
    const type = c.req.header('content-type')
    if (type === undefined || !JSON_TYPE.test(type)) {
      const given = type === undefined ? 'missing' : quote(type)
      throw new EspalierError(
        'unsupported_media_type',
        `content-type is ${given}; send "content-type: application/json"`,
        { param: 'content-type' },
      )
    }
    const encoding = c.req.header('content-encoding')
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new EspalierError(
        'unsupported_media_type',
        `content-encoding is ${quote(encoding)}; send the body uncompressed`,
        { param: 'content-encoding' },
      )
    }
    await next()
  }
}
