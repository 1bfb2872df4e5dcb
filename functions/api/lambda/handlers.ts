import type { Context } from 'aws-lambda'
// The package that replaces it is not published yet.
import { handle, type LambdaEvent, streamHandle } from 'hono/aws-lambda'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { ApiApp } from '../api-app.ts'
import { TIMEOUT_HEADER } from '../requests/deadline.ts'
import { renderError } from '../responses/errors.ts'

type Answer = Awaited<ReturnType<ReturnType<typeof handle>>>
/** What the runtime tells of an invocation, as far as it is used. */
export type InvocationContext = Pick<Context, 'getRemainingTimeInMillis' | 'awsRequestId'>

/** What Lambda sends back at most: 6 MB, and 1 MB to a load balancer. Service quotas of 2026-11. */
const MAX_ANSWER_BYTES = 6 * 1024 * 1024
const MAX_LOAD_BALANCER_BYTES = 1024 * 1024
/** Left of the function's time for the answer on its way. */
const SPARE_MS = 250

/** What the adapter hands to the application beside a request. */
interface Invocation {
  readonly event: LambdaEvent
  readonly context: InvocationContext
}

/** The two ways in which Lambda calls. */
export interface LambdaHandlers {
  /** Answers events of API Gateway (REST and HTTP), load balancers and function URLs. */
  handler(event: LambdaEvent, context?: InvocationContext): Promise<Answer>
  /** The same for functions that stream; undefined where the runtime cannot. */
  readonly streamHandler: ReturnType<typeof streamHandle> | undefined
}

/** Makes handlers over an application; the application does not know that it runs on Lambda. */
export function createLambdaHandlers(app: ApiApp): LambdaHandlers {
  const answer = handle(app)
  const streamed: Pick<ApiApp, 'fetch'> = {
    fetch: (request, env) => app.fetch(prepareRequest(request, env as Invocation), env),
  }
  return {
    async handler(event, context) {
      checkEvent(event)
      const prepared = prepareEvent(event, context)
      const result = await answer(prepared, context as never)
      return limitAnswer(app, prepared, result)
    },
    streamHandler: canStream() ? streamHandle(streamed as ApiApp) : undefined,
  }
}

/** Lambda's runtime puts what it takes into the global scope. */
function canStream(): boolean {
  const { awslambda } = globalThis as { awslambda?: { streamifyResponse?: unknown } }
  return typeof awslambda?.streamifyResponse === 'function'
}

/**
 * An event of another kind ends the invocation with an error: an answer would count as success, and a queue would
 * drop its message.
 * @throws EspalierError `invalid_request` that says what the event looks like, and nothing of what is in it
 */
function checkEvent(event: unknown): void {
  const { requestContext, rawPath, path, httpMethod, method } = (event ?? {}) as Readonly<
    Record<string, unknown>
  >
  const isV2 = typeof rawPath === 'string' && typeof Object(requestContext).http === 'object'
  const isOther = typeof path === 'string' && typeof (httpMethod ?? method) === 'string'
  if (isV2 || (isOther && typeof requestContext === 'object')) return
  const keys = Object.keys(Object(event)).slice(0, 8)
  const known = 'API Gateway (REST or HTTP), a load balancer or a function URL'
  const looks = keys.length === 0 ? 'it is empty' : `it has ${quote(keys.join(', '))}`
  throw new EspalierError('invalid_request', `this is no event of ${known}: ${looks}`)
}

/** HTTP APIs put the name of a stage before the path; the time that is left goes with the request. */
function prepareEvent(event: LambdaEvent, context: InvocationContext | undefined): LambdaEvent {
  const prepared = { ...event, headers: { ...event.headers } } as LambdaEvent
  if ('rawPath' in prepared) prepared.rawPath = withoutStage(prepared)
  if (context === undefined || hasHeader(event, TIMEOUT_HEADER)) return prepared
  const value = timeLeft(context)
  if (event.headers) Object.assign(prepared.headers ?? {}, { [TIMEOUT_HEADER]: value })
  if ('multiValueHeaders' in event && event.multiValueHeaders) {
    const headers = { ...event.multiValueHeaders, [TIMEOUT_HEADER]: [value] }
    Object.assign(prepared, { multiValueHeaders: headers })
  }
  return prepared
}

/** The same for a request that is made of an event already. */
function prepareRequest(request: Request, { event, context }: Invocation): Request {
  const url = new URL(request.url)
  if ('rawPath' in event) url.pathname = withoutStage(event)
  const prepared = new Request(url, request)
  if (!prepared.headers.has(TIMEOUT_HEADER)) {
    prepared.headers.set(TIMEOUT_HEADER, timeLeft(context))
  }
  return prepared
}

function timeLeft(context: InvocationContext): string {
  return String(Math.max(1, Math.floor(context.getRemainingTimeInMillis() - SPARE_MS)))
}

function withoutStage(event: Extract<LambdaEvent, { rawPath: string }>): string {
  const prefix = `/${event.requestContext.stage}`
  return event.rawPath.startsWith(`${prefix}/`) ? event.rawPath.slice(prefix.length) : event.rawPath
}

function hasHeader(event: LambdaEvent, name: string): boolean {
  const many = 'multiValueHeaders' in event ? event.multiValueHeaders : undefined
  const names = Object.keys({ ...event.headers, ...many })
  return names.some((each) => each.toLowerCase() === name)
}

/** Lambda turns an answer that is too large into a 502 without a word. */
function limitAnswer(app: ApiApp, event: LambdaEvent, result: Answer): Answer {
  const isBalanced = 'elb' in (event.requestContext ?? {})
  const limit = isBalanced ? MAX_LOAD_BALANCER_BYTES : MAX_ANSWER_BYTES
  const bytes = Buffer.byteLength(result.body)
  if (bytes <= limit) return result
  const message = `the answer has ${bytes} bytes and Lambda sends ${limit} at most: send fewer inputs at once, or ask for base64`
  const path = 'rawPath' in event ? event.rawPath : event.path
  const id = readHeader(result, 'x-request-id')
  const form = app.routesAt(path)[0]?.errors ?? 'unified'
  const error = new EspalierError('body_too_large', message)
  const { status, body } = renderError(error, form, path, id)
  return { ...result, statusCode: status, body: JSON.stringify(body), isBase64Encoded: false }
}

function readHeader({ headers, multiValueHeaders }: Answer, name: string): string {
  const value = headers?.[name] ?? multiValueHeaders?.[name]
  return String(Array.isArray(value) ? value[0] : (value ?? ''))
}
