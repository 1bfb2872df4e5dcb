import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'

/** One part of a form. */
export interface FormPart {
  readonly name: string
  /** Null for plain fields. */
  readonly fileName: string | null
  /** Part of the body itself, not a copy. */
  readonly bytes: Uint8Array
}

/** More headers than any client sends with a part. */
const MAX_HEAD_BYTES = 8 * 1024
const HEAD_END = '\r\n\r\n'

/**
 * Splits a body of type multipart/form-data (RFC 7578) that is in memory whole into at most `maxParts` parts.
 * @throws EspalierError `invalid_request` where it is not well formed, `too_many_inputs` for more parts
 */
export function readForm(contentType: string, body: Buffer, maxParts: number): FormPart[] {
  const boundary = findBoundary(contentType)
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  const parts: FormPart[] = []
  // What comes before the first boundary is not for us.
  let at = body.indexOf(delimiter.subarray(2))
  if (at < 0 || (at > 0 && body.indexOf(delimiter) !== at - 2)) throw malformed('has no boundary')
  at += delimiter.length - 2
  while (!isEnd(body, at)) {
    at = skipLineEnd(body, at)
    const headEnd = body.subarray(at, at + MAX_HEAD_BYTES).indexOf(HEAD_END, 0, 'latin1')
    if (headEnd < 0) throw malformed('has a part without headers')
    const end = body.indexOf(delimiter, at + headEnd + 2)
    if (end < 0) throw malformed('ends within a part')
    if (parts.length >= maxParts) {
      const message = `the form has more than ${maxParts} parts, the limit; send it in several requests`
      throw new EspalierError('too_many_inputs', message)
    }
    const head = body.toString('utf8', at, at + headEnd)
    const from = Math.min(at + headEnd + HEAD_END.length, end)
    parts.push({ ...describePart(head), bytes: body.subarray(from, end) })
    at = end + delimiter.length
  }
  return parts
}

function findBoundary(contentType: string): string {
  const found = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  const boundary = found?.[1] ?? found?.[2]
  if (boundary !== undefined) return boundary
  throw malformed('has no boundary in its content-type; leave that header to the client')
}

/** The boundary is followed by two dashes at the end, else by the end of its line. */
function isEnd(body: Buffer, at: number): boolean {
  return body[at] === 0x2d && body[at + 1] === 0x2d
}

function skipLineEnd(body: Buffer, at: number): number {
  let next = at
  while (body[next] === 0x20 || body[next] === 0x09) next++
  if (body[next] === 0x0d && body[next + 1] === 0x0a) return next + 2
  throw malformed('ends early')
}

function describePart(head: string): Pick<FormPart, 'name' | 'fileName'> {
  const line = head.split('\r\n').find((each) => /^content-disposition\s*:/i.test(each)) ?? ''
  const parameter = (name: string) => {
    const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;]+))`, 'i').exec(line)
    return found?.[1]?.replace(/\\(["\\])|%22/gi, (_, escaped) => escaped ?? '"') ?? found?.[2]
  }
  const name = parameter('name')
  if (!/:\s*form-data\b/i.test(line) || name === undefined) {
    throw malformed(`has a part that is no field: ${quote(line)}`)
  }
  const isEncoded = /^content-transfer-encoding\s*:\s*(?!binary|8bit|7bit)/im.test(head)
  if (isEncoded) throw malformed(`encodes the part ${quote(name)}; send its bytes as they are`)
  return { name, fileName: parameter('filename') ?? null }
}

function malformed(how: string): EspalierError {
  return new EspalierError('invalid_request', `the form ${how}`)
}
