import { isUtf8 } from 'node:buffer'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { isNestedDeeper } from '../../../shared/lib/json-depth.ts'
import { findJsonFault } from '../../../shared/lib/json-fault.ts'
import type { ApiContext, ApiMiddleware } from '../types.ts'

/** No request of ours nests deeper than a handful. */
const MAX_DEPTH = 64

/** Reads the body up to `limit` bytes and leaves its JSON in the context. */
export function jsonBody(limit: number): ApiMiddleware {
  return async function readJsonBody(c, next) {
    const bytes = await readBody(c, limit)
    c.get('record').bodyBytes = bytes.length
    c.set('body', parseJson(bytes))
    await next()
  }
}

async function readBody(c: ApiContext, limit: number): Promise<Buffer> {
  const tooLarge = (size: string) =>
    new EspalierError('body_too_large', `the body has ${size} bytes; the limit is ${limit} bytes`)
  const declared = c.req.header('content-length')
  if (declared !== undefined && Number(declared) > limit) throw tooLarge(declared)
  const stream = c.req.raw.body
  if (!stream) return Buffer.alloc(0)
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of stream) {
      size += part.byteLength
      if (size > limit) throw tooLarge(`more than ${limit}`)
      parts.push(part)
    }
  } catch (error) {
    if (error instanceof EspalierError) throw error
    throw new EspalierError('request_cancelled', 'the body ended early', { cause: error })
  }
  return Buffer.concat(parts, size)
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
