import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { homedir, tmpdir } from 'node:os'
import { buffer } from 'node:stream/consumers'
import type { LogLine } from '../fakes/api-deps.ts'
import type { Operation } from './api-document.ts'
import type { FuzzCase, FuzzTarget } from './cases.ts'

/** An answer as it came. */
export interface FuzzAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Sends a case over a connection of its own. */
export function sendCase(port: number, each: FuzzCase): Promise<FuzzAnswer> {
  const { method, target, headers, body } = each
  const bytes = body === null ? null : Buffer.from(body, 'latin1')
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      method,
      path: target,
      agent: false,
      headers: { ...headers, ...(bytes && { 'content-length': bytes.byteLength }) },
    })
    request.on('error', reject)
    request.on('response', (response) => {
      const { statusCode: status = 0, headers: given } = response
      buffer(response).then((read) => resolve({ status, headers: given, body: read }), reject)
    })
    request.end(bytes ?? undefined)
  })
}

/** Codes of what the document lets through and the service must too; the others depend on models, load and keys. */
const REFUSED_AS_INVALID: ReadonlySet<unknown> = new Set([
  'body_too_large',
  'empty_input',
  'headers_too_large',
  'input_too_large',
  'invalid_json',
  'invalid_name',
  'invalid_request',
  'method_not_allowed',
  'route_not_found',
  'token_input_unsupported',
  'too_many_inputs',
  'unauthorized',
  'forbidden',
  'unsupported_media_type',
])
/** Names of this machine, and places in the program. */
const LEAKS = new RegExp(
  [
    process.cwd(),
    `${homedir()}/`,
    `${tmpdir()}/`,
    'node_modules',
    'node:internal',
    '\\n\\s+at ',
    '\\.ts:\\d',
  ]
    .map((text) => (text.startsWith('/') ? text.replaceAll(/[.*+?]/g, '\\$&') : text))
    .join('|'),
)

/** What is wrong with the answer to a case; nothing where all is well. */
export function findFaults(
  target: FuzzTarget,
  each: FuzzCase,
  answer: FuzzAnswer,
  lines: readonly LogLine[],
): string[] {
  const { status, headers, body } = answer
  const faults: string[] = []
  const id = headers['x-request-id']
  if (typeof id !== 'string' || id === '') faults.push('the answer has no x-request-id')
  const line = lines.find(({ fields, message }) => message === 'request' && fields.requestId === id)
  if (line === undefined) faults.push('no log line has the id of the answer')
  const code = line?.fields.errorCode
  if (status === 500 || code === 'internal') faults.push(`${status}: a fault of the server`)
  const text = `${JSON.stringify(headers)}\n${body.toString('utf8')}`
  const leak = LEAKS.exec(text)
  if (leak) faults.push(`the answer has ${JSON.stringify(leak[0])}`)
  faults.push(...findOffDocument(target, each, answer))
  if (each.kind === 'valid' && REFUSED_AS_INVALID.has(code)) {
    faults.push(`the document allows it; refused as ${code}: ${body.toString('utf8')}`)
  }
  if (each.kind === 'value' && status < 300) {
    const { schema } = operationOf(target, each)!.requestBody!.content['application/json']!
    const wrong = target.document.faultOf(schema, JSON.parse(fromBytes(each.body!)))
    if (wrong !== null) faults.push(`answered, which the document does not allow: ${wrong}`)
  }
  return faults
}

/** Where the answer is none that the document has. */
function findOffDocument(target: FuzzTarget, each: FuzzCase, answer: FuzzAnswer): string[] {
  const { status, headers, body } = answer
  if (each.method === 'HEAD') return body.byteLength > 0 ? ['HEAD has a body'] : []
  const documented = operationOf(target, each)
  // Another method, and another path, get the error of the routes there.
  const nearest =
    documented ?? target.document.operations.find(({ path }) => path === each.template)
  const responses = (nearest ?? target.document.operations[1]!).responses
  const isAnswer = documented !== undefined && responses[status] !== undefined
  if (status < 400 && !isAnswer) return [`the document has no ${status} here`]
  const { content } = isAnswer ? responses[status]! : responses.default!
  const type = headers['content-type']?.split(';')[0] ?? ''
  const said = content[type]
  if (said === undefined) return [`the document has no ${type} here`]
  try {
    const wrong = target.document.faultOf(said.schema, JSON.parse(body.toString('utf8')))
    return wrong === null ? [] : [`${status} is not as the document says: ${wrong}`]
  } catch (error) {
    return [`${status} is no JSON: ${error}`]
  }
}

function operationOf(
  { document }: FuzzTarget,
  { method, template }: FuzzCase,
): Operation | undefined {
  const lower = method.toLowerCase()
  return document.operations.find((each) => each.path === template && each.method === lower)
}

function fromBytes(body: string): string {
  return Buffer.from(body, 'latin1').toString('utf8')
}
