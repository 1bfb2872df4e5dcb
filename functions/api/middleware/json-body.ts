import { isUtf8 } from 'node:buffer'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { findJsonFault, isNestedDeeper } from '../../../shared/lib/json/json-fault.ts'
import type { ApiMiddleware } from '../types.ts'
import type { BoundedBodies } from './bounded-body.ts'

/** No request of ours nests deeper than a handful. */
const MAX_DEPTH = 64

/** Reads bounded bodies and leaves their JSON in the context. */
export function jsonBody(bodies: BoundedBodies): ApiMiddleware {
  return function readJsonBody(c, next) {
    return bodies.use(c, (bytes) => {
      c.set('body', parseJson(bytes))
      return next()
    })
  }
}

/** @throws EspalierError `invalid_json` naming the place */
export function parseJson(bytes: Buffer): unknown {
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
