import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { RequestError } from '@hono/node-server'
import { type ErrorCode, EspalierError } from '../../../shared/lib/errors.ts'
import { IdMint } from '../../../shared/lib/id-mint.ts'
import type { Logger } from '../../../shared/lib/logger.ts'
import { type ErrorReply, renderError } from '../responses/errors.ts'

/** How long a refused connection may take to read its answer. */
const LINGER_MS = 1_000

/** What Node's parser and timers complain of, where it is not simply a malformed request. */
const PARSER_ERRORS: Readonly<Record<string, { code: ErrorCode; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    code: 'headers_too_large',
    message: 'the headers of the request are too large; the limit is 16384 bytes',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    code: 'body_too_large',
    message: 'the chunk extensions of the body are too large',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    code: 'request_timeout',
    message: 'the request did not arrive in time; send it again, faster',
  },
}

/** Who is told of refusals. */
export interface RefusalParts {
  readonly log: Logger
  /** Of each one, by its code; for a metric. */
  readonly onRefused?: ((code: ErrorCode) => void) | undefined
}

/** Answers to requests that the application never sees, each with a body, an id and a log line. */
export class Refusals {
  readonly #parts: RefusalParts
  readonly #ids = new IdMint()
  readonly #refused = new WeakSet<Socket>()

  constructor(parts: RefusalParts) {
    this.#parts = parts
  }

  /** For a request that cannot be read as one: a wrong host, or a target that is no path. */
  answer(error: unknown, request: IncomingMessage | undefined): Response {
    const isRequest = error instanceof RequestError
    const refusal = isRequest
      ? new EspalierError('invalid_request', `the request cannot be read: ${error.message}`)
      : new EspalierError('internal', 'something went wrong on the server', { cause: error })
    const { id, reply } = this.#render(refusal, isRequest ? undefined : error, request?.method)
    const { status, headers, body } = reply
    return Response.json(body, { status, headers: { ...headers, 'x-request-id': id } })
  }

  /**
   * For what Node's parser does not take, and for what came too slowly.
   * @param isAnswering an answer is on its way on this connection: then nothing can be said
   */
  refuse(error: NodeJS.ErrnoException, socket: Socket, isAnswering: boolean): void {
    if (isAnswering || !socket.writable || error.code === 'ECONNRESET' || error.code === 'EPIPE') {
      socket.destroy()
      return
    }
    const known = PARSER_ERRORS[error.code ?? '']
    const message = `the request is not well formed HTTP: ${error.message.replace(/^Parse Error: /, '')}`
    const refusal = new EspalierError(
      known?.code ?? 'invalid_request',
      known?.message ?? message.slice(0, 200),
    )
    this.#write(socket, refusal, error.code)
  }

  /** For CONNECT: this is no proxy. */
  refuseConnect(socket: Socket): void {
    const message = 'CONNECT is not taken: this server is no proxy'
    this.#write(socket, new EspalierError('method_not_allowed', message), 'CONNECT')
  }

  /** For an `Expect` other than 100-continue. */
  refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
    const refusal = new EspalierError('invalid_request', 'the only Expect taken is 100-continue', {
      param: 'expect',
    })
    const { id, reply } = this.#render(refusal, 'expect', request.method)
    // RFC 9110, section 10.1.1.
    const body = JSON.stringify({ ...reply.body, status: 417 })
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-request-id': id,
    }
    response.writeHead(417, headers).end(body)
  }

  #write(socket: Socket, refusal: EspalierError, reason: unknown): void {
    if (this.#refused.has(socket)) return
    this.#refused.add(socket)
    const { id, reply } = this.#render(refusal, reason, undefined)
    const body = JSON.stringify(reply.body)
    const headers = {
      ...reply.headers,
      connection: 'close',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'x-request-id': id,
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const status = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}`
    // A connection that is closed with data unread resets the answer on its way.
    socket.once('finish', () => setTimeout(() => socket.destroy(), LINGER_MS).unref())
    socket.on('error', () => socket.destroy())
    socket.resume()
    socket.end(`${status}\r\n${lines.join('')}\r\n${body}`)
  }

  #render(refusal: EspalierError, reason: unknown, method: string | undefined) {
    const id = `req_${this.#ids.mint()}`
    const reply: ErrorReply = renderError(refusal, 'unified', '', id)
    const { code, message } = refusal
    const line = { requestId: id, method, status: reply.status, errorCode: code, reason: message }
    const { log, onRefused } = this.#parts
    onRefused?.(code)
    if (code === 'internal') log.error({ ...line, err: reason }, 'request failed')
    else log.info({ ...line, cause: reason }, 'request')
    return { id, reply }
  }
}
