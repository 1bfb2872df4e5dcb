import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { isNestedDeeper } from '../../lib/json/json-scan.ts'

/** Deepest nesting of the registry's JSON. */
const MAX_DEPTH = 64

/** Where a record was read, for messages. */
export interface RecordSource {
  readonly url: string
  readonly key: string
}

/**
 * Reads a JSON record of the registry, by a schema or by the one chosen for what it looks like.
 * @throws EspalierError `unsupported_schema` for a record that a newer program wrote, `artifact_corrupt` for
 * anything else that is not such a record
 */
export function decodeRecord<T>(
  schema: z.ZodType<T> | ((value: unknown) => z.ZodType<T>),
  newest: number,
  body: Uint8Array,
  { url, key }: RecordSource,
): T {
  const corrupt = (why: string, options?: ErrorOptions) =>
    new EspalierError('artifact_corrupt', `${key} in ${url}: ${why}`, options)
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (isNestedDeeper(bytes, MAX_DEPTH)) throw corrupt(`nested deeper than ${MAX_DEPTH} levels`)
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw corrupt('not JSON; it may be truncated', { cause: error })
  }
  const number = z.object({ schema: z.int().min(1) }).safeParse(value)
  if (number.success && number.data.schema > newest) {
    throw new EspalierError(
      'unsupported_schema',
      `${key} in ${url} has schema ${number.data.schema}; this version of Espalier reads up to ${newest}: upgrade it`,
    )
  }
  const parsed = (typeof schema === 'function' ? schema(value) : schema).safeParse(value)
  if (parsed.success) return parsed.data
  throw corrupt(describeIssue(parsed.error))
}

/** The first fault of a value, with its place: `files[2].sha256: …`. */
export function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'not as expected'
  const place = issue.path.reduce<string>(
    (path, part) =>
      typeof part === 'number' ? `${path}[${part}]` : `${path}${path ? '.' : ''}${String(part)}`,
    '',
  )
  return place === '' ? issue.message : `${place}: ${issue.message}`
}

/**
 * Writes a record as JSON, refusing what JSON would change in silence.
 * @throws EspalierError `invalid_data` for a number that is not finite, and for a record over its bound
 */
export function encodeRecord(value: object, maxBytes: number, what: string): Uint8Array {
  const text = JSON.stringify(value, (key, item: unknown) => {
    if (typeof item === 'number' && !Number.isFinite(item)) {
      throw new EspalierError('invalid_data', `${what}: ${key} is ${item}; JSON has no such number`)
    }
    return item
  })
  const body = new TextEncoder().encode(`${text}\n`)
  if (body.byteLength <= maxBytes) return body
  throw new EspalierError(
    'invalid_data',
    `${what} takes ${body.byteLength} bytes; at most ${maxBytes}`,
  )
}
