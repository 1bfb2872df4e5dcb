/**
 * Every failure that a user can meet, by code. The HTTP layer maps each code to a status, the CLI to
 * an exit code; both tables are typed over `ErrorCode`, so a new code does not compile until mapped.
 */
export const ERROR_CODES = [
  'invalid_request',
  'invalid_json',
  'empty_input',
  'input_too_long',
  'input_too_large',
  'too_many_inputs',
  'body_too_large',
  'unsupported_media_type',
  'unsupported_dimensions',
  'token_input_unsupported',
  'wrong_modality',
  'invalid_image',
  'image_too_large',
  'unsupported_image',
  'route_not_found',
  'method_not_allowed',
  'unauthorized',
  'forbidden',
  'model_not_found',
  'version_not_found',
  'wrong_model_kind',
  'fingerprint_mismatch',
  'overloaded',
  'deadline_exceeded',
  'model_loading',
  'shutting_down',
  'request_cancelled',
  'internal',
  'invalid_config',
  'invalid_model_file',
  'unsupported_model',
  'artifact_corrupt',
  'self_test_failed',
  'invalid_name',
  'invalid_data',
  'family_mismatch',
  'version_conflict',
  'registry_unavailable',
  'unsupported_schema',
  'not_better',
] as const

/** One of the codes above. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** What an error may carry beside its message. */
export interface EspalierErrorOptions extends ErrorOptions {
  /** The field at fault, in the caller's own words: `inputs[3]`. */
  readonly param?: string
  /** Seconds after which trying again makes sense. */
  readonly retryAfterSeconds?: number
}

/** A failure with a code; its message names the input and the fix, and is safe to show to the caller. */
export class EspalierError extends Error {
  override readonly name = 'EspalierError'
  readonly code: ErrorCode
  readonly param: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, message: string, options: EspalierErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.param = options.param
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** True for an error of ours, of the given code if one is named. */
export function isEspalierError(error: unknown, code?: ErrorCode): error is EspalierError {
  return error instanceof EspalierError && (code === undefined || error.code === code)
}
