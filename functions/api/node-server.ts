import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Config } from '../../shared/lib/config/config.ts'
import type { ApiApp } from './api-app.ts'
import { type RefusalParts, Refusals } from './middleware/refusals.ts'

/** How often Node looks for connections that are too slow: a timeout is at most so late. */
const CHECK_MS = 1_000
/** When a half-closed connection is first asked whether anybody reads at its other end; then ever more rarely. */
const FIRST_PROBE_MS = 250
const LAST_PROBE_MS = 4_000

type HttpConfig = Pick<Config, 'requestTimeoutMs' | 'headersTimeoutMs' | 'keepAliveTimeoutMs'>

/** What Node keeps beside its documented interface. */
type HalfOpenServer = Server & { httpAllowHalfOpen: boolean }
type HttpSocket = Socket & { readonly _httpMessage?: ServerResponse<IncomingMessage> | null }

/**
 * A server of Node's around the application, not yet listening. Whatever is refused before the application sees it has
 * a body, an id and a log line as well; callers that end their side after the request get their answer.
 */
export function createNodeServer(app: ApiApp, config: HttpConfig, told: RefusalParts): Server {
  const headersTimeout = Math.min(config.headersTimeoutMs, config.requestTimeoutMs)
  const options: ServerOptions = {
    requestTimeout: config.requestTimeoutMs,
    headersTimeout,
    keepAliveTimeout: config.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, headersTimeout),
    // A request without a host is refused by the listener, which gives its answer a body.
    requireHostHeader: false,
  }
  const refusals = new Refusals(told)
  /** The request that the listener has just begun with: it builds the request at once, before anything is awaited. */
  let begun: IncomingMessage | undefined
  const listener = getRequestListener(app.fetch, {
    errorHandler: (error) => refusals.answer(error, begun),
  })
  const server = createServer(options, (incoming, outgoing) => {
    begun = incoming
    return listener(incoming, outgoing)
  }) as HalfOpenServer
  server.httpAllowHalfOpen = true
  server.on('connection', (socket: Socket) => socket.once('end', () => watchHalfClosed(socket)))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: HttpSocket) => {
    const isAnswering = socket._httpMessage?.headersSent === true
    refusals.refuse(error, socket, isAnswering)
  })
  server.on('connect', (_request, socket: Socket) => refusals.refuseConnect(socket))
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    refusals.refuseExpectation(request, response)
  })
  return server
}

/**
 * Finds out whether a caller that has ended its side still reads. TCP tells a closed connection from a half-closed one
 * only when something is sent: an interim answer, which every client of HTTP/1.1 passes over, is answered with a reset
 * by who has gone, and then the work for it is dropped.
 */
function watchHalfClosed(socket: HttpSocket): void {
  let delay = FIRST_PROBE_MS
  let sent = 0
  const probe = () => {
    const response = socket._httpMessage
    if (socket.destroyed || !response || response.headersSent) return
    if (response.req.httpVersion !== '1.1') return
    response.writeContinue()
    if (++sent > 1) delay = Math.min(2 * delay, LAST_PROBE_MS)
    setTimeout(probe, delay).unref()
  }
  setTimeout(probe, delay).unref()
}
