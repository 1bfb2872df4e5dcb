import { isUtf8 } from 'node:buffer'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { isNestedDeeper } from '../../../shared/lib/json-depth.ts'
import { findJsonFault } from '../../../shared/lib/json-fault.ts'
import { readBody } from '../read-body.ts'
import type { ApiContext, ApiMiddleware } from '../types.ts'

/** No request of ours nests deeper than a handful. */
const MAX_DEPTH = 64

/** What bounds the bodies. */
export interface BodyLimits {
  readonly maxBodyBytes: number
  /** Of all requests together, from the first byte of a body to its answer. */
  readonly maxHeldBytes: number
}

/** Reads bounded bodies and leaves their JSON in the context. */
export function jsonBody({ maxBodyBytes, maxHeldBytes }: BodyLimits): ApiMiddleware {
  let heldBytes = 0

  async function readBounded(c: ApiContext): Promise<Buffer> {
    const record = c.get('record')
    const declared = c.req.header('content-length')
    if (declared !== undefined && Number(declared) > maxBodyBytes) throw tooLarge(maxBodyBytes)
    const parts: Uint8Array[] = []
    await readBody(c, (part) => {
      record.bodyBytes += part.byteLength
      heldBytes += part.byteLength
      if (record.bodyBytes > maxBodyBytes) throw tooLarge(maxBodyBytes)
      // The only body may be larger: what one request may hold is the other limit.
      if (heldBytes > maxHeldBytes && heldBytes > record.bodyBytes) throw tooMuchHeld(maxHeldBytes)
      parts.push(part)
    })
    return parts.length === 1
      ? Buffer.from(parts[0]!.buffer, parts[0]!.byteOffset, parts[0]!.byteLength)
      : Buffer.concat(parts)
  }

  return async function readJsonBody(c, next) {
    try {
      const bytes = await readBounded(c).catch((cause: unknown) => {
        if (cause instanceof EspalierError) throw cause
        throw new EspalierError('request_cancelled', 'the body ended early', { cause })
      })
      c.set('body', parseJson(bytes))
      await next()
    } finally {
      heldBytes -= c.get('record').bodyBytes
    }
  }
}

function tooLarge(limit: number): EspalierError {
  return new EspalierError('body_too_large', `the body is too large; the limit is ${limit} bytes`)
}

function tooMuchHeld(limit: number): EspalierError {
  const message = `the server holds ${limit} bytes of requests, its limit; try again shortly`
  return new EspalierError('overloaded', message, { retryAfterSeconds: 1 })
}

function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) throw new EspalierError('invalid_json', 'the body is empty; send JSON')
  if (!isUtf8(bytes)) throw new EspalierError('invalid_json', 'the body is not valid UTF-8')
  if (isNestedDeeper(bytes, MAX_DEPTH)) {
    throw new EspalierError('invalid_json', `the body nests deeper than ${MAX_DEPTH} levels`)
  }
  const text = bytes.toString('utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    const fault = findJsonFault(text)
    const line = text.slice(0, fault?.position).split('\n')
    const where = fault
      ? `line ${line.length}, column ${line.at(-1)!.length + 1} (position ${fault.position}): expected ${fault.expected}`
      : 'at an unknown place'
    throw new EspalierError('invalid_json', `the body is not JSON: ${where}`, { cause: error })
  }
}
