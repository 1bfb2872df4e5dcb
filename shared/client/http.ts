import type { ErrorBody } from '../contract/error-bodies.ts'
import { EspalierClientError } from './client-error.ts'
import type { CallOptions, ClientOptions } from './types.ts'

/** First pause before another attempt, milliseconds; each further one may be twice as long. */
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 20_000
/** A server that asks for more patience than this is given up: the caller knows better what to do meanwhile. */
const LONGEST_RETRY_AFTER_MS = 60_000
/** What the server takes as time limit. */
const MAX_TIMEOUT_MS = 3_600_000
const DEFAULT_TIMEOUT_MS = 60_000
const DEFAULT_RETRIES = 4
/** Of an answer that is not ours, in messages. */
const MAX_EXCERPT = 200

/** One request to the server. */
export interface HttpRequest extends CallOptions {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** JSON text. */
  readonly body?: string | undefined
  /** Statuses that are answers, beside 200. */
  readonly accept?: readonly number[] | undefined
}

/** An answer of the expected status. */
export interface HttpAnswer {
  readonly body: unknown
  readonly headers: Headers
}

/** Sends requests to one server. */
export type Send = (request: HttpRequest) => Promise<HttpAnswer>

/**
 * What sends requests, and sends them again where that makes sense: after 429 and 503, as late as the server asks, and
 * after a lost connection, since no call of ours changes anything.
 * @throws EspalierClientError `invalid_request` for options that mean nothing
 */
export function createSend(options: ClientOptions): Send {
  const base = readBase(options.baseUrl)
  const fetch = options.fetch ?? globalThis.fetch
  const retries = options.retries ?? DEFAULT_RETRIES
  const fixed = {
    ...options.headers,
    ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
  }

  async function attempt(request: HttpRequest): Promise<HttpAnswer> {
    const { signal, timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS } = request
    const isPost = request.method === 'POST'
    const headers = {
      accept: 'application/json',
      ...(isPost ? { 'content-type': 'application/json', ...deadlineHeader(timeoutMs) } : {}),
      ...fixed,
      ...request.headers,
    }
    const limit = limitTime(signal, timeoutMs)
    try {
      const response = await fetch(`${base}${request.path}`, {
        method: request.method,
        headers,
        signal: limit.signal,
        ...(request.body === undefined ? {} : { body: request.body }),
      })
      const text = await response.text()
      return readAnswer(response, text, request.accept ?? [])
    } catch (cause) {
      signal?.throwIfAborted()
      if (cause instanceof EspalierClientError) throw cause
      if (limit.isOver()) {
        throw new EspalierClientError('timeout', `no answer within ${timeoutMs} ms`, { cause })
      }
      const why = cause instanceof Error ? cause.message : String(cause)
      const message = `${base} cannot be reached: ${why}`
      throw new EspalierClientError('connection_failed', message, { cause })
    } finally {
      limit.release()
    }
  }

  return async (request) => {
    request.signal?.throwIfAborted()
    for (let tried = 0; ; tried++) {
      try {
        return await attempt(request)
      } catch (error) {
        const pauseMs = error instanceof EspalierClientError ? pauseBefore(error, tried) : null
        if (pauseMs === null || tried >= retries) throw error
        await pause(pauseMs, request.signal)
      }
    }
  }
}

function readBase(baseUrl: string | URL): string {
  let url: URL
  try {
    url = new URL(baseUrl)
  } catch (cause) {
    const message = `baseUrl is ${JSON.stringify(String(baseUrl))}; it must be a URL such as http://127.0.0.1:8080`
    throw new EspalierClientError('invalid_request', message, { param: 'baseUrl', cause })
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

function deadlineHeader(timeoutMs: number): Record<string, string> {
  const ms = Math.min(MAX_TIMEOUT_MS, Math.max(1, Math.ceil(timeoutMs)))
  return { 'x-espalier-timeout-ms': String(ms) }
}

/** A signal that aborts with the caller's, or once the time is up. */
function limitTime(outer: AbortSignal | undefined, ms: number) {
  const controller = new AbortController()
  let over = false
  const timer = setTimeout(() => {
    over = true
    controller.abort()
  }, ms)
  const follow = () => controller.abort(outer?.reason)
  if (outer?.aborted) follow()
  outer?.addEventListener('abort', follow, { once: true })
  return {
    signal: controller.signal,
    isOver: () => over,
    release() {
      clearTimeout(timer)
      outer?.removeEventListener('abort', follow)
    },
  }
}

function readAnswer(response: Response, text: string, accepted: readonly number[]): HttpAnswer {
  const { status, headers } = response
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (cause) {
    if (response.ok) {
      const message = `the answer is no JSON: ${text.slice(0, MAX_EXCERPT)}`
      throw new EspalierClientError('invalid_response', message, { ...origin(response), cause })
    }
  }
  if (response.ok || (body !== undefined && accepted.includes(status))) return { body, headers }
  const told = (body ?? {}) as Partial<ErrorBody>
  throw new EspalierClientError(
    told.error?.code ?? 'http_error',
    told.error?.message ?? (told.message || text.slice(0, MAX_EXCERPT) || `status ${status}`),
    { ...origin(response), param: told.error?.param ?? null },
  )
}

function origin({ status, headers }: Response) {
  const wait = readRetryAfter(headers)
  return {
    status,
    requestId: headers.get('x-request-id'),
    retryAfterSeconds: wait === null ? null : wait / 1000,
  }
}

/** Milliseconds; the header is seconds or a date. */
function readRetryAfter(headers: Headers): number | null {
  const ms = headers.get('retry-after-ms')
  if (ms !== null && /^\d{1,12}(?:\.\d+)?$/.test(ms)) return Number(ms)
  const after = headers.get('retry-after')
  if (after === null) return null
  if (/^\d{1,9}$/.test(after)) return Number(after) * 1000
  const date = Date.parse(after)
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now())
}

/** Milliseconds before the next attempt; null where another attempt is of no use. */
function pauseBefore(error: EspalierClientError, tried: number): number | null {
  const isPassing =
    error.status === 429 || error.status === 503 || error.code === 'connection_failed'
  if (!isPassing) return null
  const asked = (error.retryAfterSeconds ?? 0) * 1000
  if (asked > LONGEST_RETRY_AFTER_MS) return null
  // Spread, so that callers refused together do not come back together.
  return asked + Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tried)
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}
