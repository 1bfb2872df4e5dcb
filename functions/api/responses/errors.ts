import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type {
  ErrorBody,
  TEI_ERROR_TYPES,
  TeiErrorBody,
} from '../../../shared/contract/error-bodies.ts'
import { type ErrorCode, type EspalierError, printError } from '../../../shared/lib/errors.ts'
import { PLAIN, type Surface } from '../../../shared/lib/wording.ts'
import type { ErrorForm } from '../types.ts'

type TeiErrorType = (typeof TEI_ERROR_TYPES)[number]

/** How an error code leaves the server: on our own routes, and on those of text-embeddings-inference. */
interface ErrorStatus {
  readonly status: ContentfulStatusCode
  readonly tei: readonly [ContentfulStatusCode, TeiErrorType]
}

/** Nginx's status for a caller who has gone; no one reads it but the log. */
const CLIENT_CLOSED_REQUEST = 499 as ContentfulStatusCode

const serverFault: ErrorStatus = { status: 500, tei: [424, 'Backend'] }
const badRequest: ErrorStatus = { status: 400, tei: [422, 'Validation'] }
const unavailable: ErrorStatus = { status: 503, tei: [503, 'Unhealthy'] }
const both = (status: ContentfulStatusCode): ErrorStatus => ({
  status,
  tei: [status, 'Validation'],
})

/** Status of every error code. */
export const ERROR_STATUS = {
  invalid_request: badRequest,
  invalid_json: both(400),
  empty_input: { status: 400, tei: [400, 'Empty'] },
  input_too_long: badRequest,
  input_too_large: both(413),
  too_many_inputs: both(413),
  body_too_large: both(413),
  headers_too_large: both(431),
  request_timeout: both(408),
  unsupported_media_type: both(415),
  unsupported_dimensions: badRequest,
  token_input_unsupported: badRequest,
  wrong_modality: badRequest,
  invalid_image: badRequest,
  image_too_large: both(413),
  unsupported_image: both(415),
  route_not_found: both(404),
  method_not_allowed: both(405),
  unauthorized: both(401),
  forbidden: both(403),
  model_not_found: both(404),
  version_not_found: both(404),
  wrong_model_kind: badRequest,
  unsupported_answer: badRequest,
  fingerprint_mismatch: both(412),
  overloaded: { status: 429, tei: [429, 'Overloaded'] },
  rate_limited: { status: 429, tei: [429, 'Overloaded'] },
  deadline_exceeded: { status: 504, tei: [504, 'Overloaded'] },
  encoder_stuck: serverFault,
  model_loading: unavailable,
  shutting_down: unavailable,
  request_cancelled: {
    status: CLIENT_CLOSED_REQUEST,
    tei: [CLIENT_CLOSED_REQUEST, 'Backend'],
  },
  internal: serverFault,
  invalid_config: serverFault,
  invalid_model_file: serverFault,
  unsupported_model: serverFault,
  artifact_corrupt: serverFault,
  self_test_failed: serverFault,
  invalid_name: badRequest,
  invalid_data: badRequest,
  family_mismatch: both(422),
  version_conflict: both(409),
  registry_unavailable: unavailable,
  aws_unavailable: unavailable,
  object_unreadable: unavailable,
  unsupported_schema: serverFault,
  not_better: both(422),
} satisfies Record<ErrorCode, ErrorStatus>

/** How answers name things: by the fields of a request and by the routes that there are. */
const HTTP: Surface = {
  option: (option) => (option.name === 'encoder' ? '"model"' : PLAIN.option(option)),
  task: ({ name }) => (name === 'models' ? 'GET /v1/models' : null),
}

/** An error as it goes over the wire. */
export interface ErrorReply {
  readonly status: ContentfulStatusCode
  readonly body: ErrorBody | TeiErrorBody
  readonly headers: Readonly<Record<string, string>>
}

/** The reply for an error, in the form of its route. */
export function renderError(
  error: EspalierError,
  form: ErrorForm,
  path: string,
  requestId: string,
): ErrorReply {
  const { code } = error
  const message = printError(error, HTTP)
  const { status, tei }: ErrorStatus = ERROR_STATUS[code]
  const headers = {
    ...retryHeaders(status, error.retryAfterSeconds),
    // What is still to come of the request is not waited for.
    ...(code === 'request_timeout' && { connection: 'close' }),
    ...(status === 401 && { 'www-authenticate': 'Bearer realm="espalier"' }),
  }
  if (form === 'tei') {
    return { status: tei[0], headers, body: { error: message, error_type: tei[1] } }
  }
  const words = code.replaceAll('_', ' ')
  const body: ErrorBody = {
    type: `urn:espalier:problem:${code.replaceAll('_', '-')}`,
    title: words.charAt(0).toUpperCase() + words.slice(1),
    status,
    detail: message,
    instance: path.slice(0, 256),
    id: requestId,
    message,
    error: { message, type: errorType(status), param: error.param ?? null, code },
  }
  return { status, headers, body }
}

/** OpenAI's word for a status. */
function errorType(status: number): string {
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/** Clients of OpenAI and Cohere wait as these say, then try again. */
function retryHeaders(status: number, seconds = 1): Record<string, string> {
  if (status !== 429 && status !== 503) return {}
  return {
    'retry-after': String(Math.max(1, Math.ceil(seconds))),
    'retry-after-ms': String(Math.round(seconds * 1000)),
    'x-should-retry': 'true',
  }
}
