/** What an error of the client carries. */
export interface ClientErrorData {
  /** HTTP status; null where no answer came. */
  readonly status: number | null
  /** The field at fault: `inputs[3]`, counted within one HTTP request. */
  readonly param: string | null
  /** The input at fault, counted within the whole call. */
  readonly index: number | null
  /** Finds the request in the log of the server. */
  readonly requestId: string | null
  /** Seconds after which trying again makes sense. */
  readonly retryAfterSeconds: number | null
  readonly cause?: unknown
}

/**
 * A call that failed. `code` is that of the server (docs/errors.md), or one of the client: `timeout`,
 * `connection_failed`, `invalid_response`, `invalid_request`, and `http_error` for an answer that is no server's of
 * ours, such as a gateway's.
 */
export class EspalierClientError extends Error implements ClientErrorData {
  override readonly name: string = 'EspalierClientError'
  readonly code: string
  readonly status: number | null
  readonly param: string | null
  readonly index: number | null
  readonly requestId: string | null
  readonly retryAfterSeconds: number | null

  constructor(code: string, message: string, data: Partial<ClientErrorData> = {}) {
    super(message, data.cause === undefined ? undefined : { cause: data.cause })
    this.code = code
    this.status = data.status ?? null
    this.param = data.param ?? null
    this.index = data.index ?? null
    this.requestId = data.requestId ?? null
    this.retryAfterSeconds = data.retryAfterSeconds ?? null
  }
}
