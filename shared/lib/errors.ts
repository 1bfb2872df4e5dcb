import { print, type Surface, toWording, type Wording } from './wording.ts'

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
  'headers_too_large',
  'request_timeout',
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
  'unsupported_answer',
  'fingerprint_mismatch',
  'overloaded',
  'rate_limited',
  'deadline_exceeded',
  'encoder_stuck',
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
  'aws_unavailable',
  'object_unreadable',
  'unsupported_schema',
  'not_better',
] as const

/** One of the codes above. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** Where in somebody's data an error is. */
export interface Place {
  /** What the data are called: the name of a file. */
  readonly source: string
  /** Number of the line, from 1. */
  readonly line?: number | undefined
  /** A part of the source that is no line: a file of a folder. */
  readonly part?: string | undefined
}

/** What an error may carry beside its message. */
export interface EspalierErrorOptions extends ErrorOptions {
  /** The field at fault, in the caller's own words: `inputs[3]`. */
  readonly param?: string | undefined
  /** Seconds after which trying again makes sense. */
  readonly retryAfterSeconds?: number | undefined
  /** Number of the input at fault, from 0. The wording says what is the matter with it: `is an empty string`. */
  readonly index?: number | undefined
  /** The place at fault. The wording does not name it. */
  readonly place?: Place | undefined
}

/**
 * A failure with a code; its message names the input and the fix, and is safe to show to the caller. What it is about
 * and how it is said are data: `printError` makes the message of a surface, `message` is that of none.
 */
export class EspalierError extends Error {
  override readonly name = 'EspalierError'
  readonly code: ErrorCode
  readonly param: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly index: number | undefined
  readonly place: Place | undefined
  /** The message without the input or the place that it is about. */
  readonly wording: Wording

  constructor(code: ErrorCode, message: string | Wording, options: EspalierErrorOptions = {}) {
    const { index, place } = options
    const param = options.param ?? (index === undefined ? undefined : `inputs[${index}]`)
    super(describeSubject({ index, param, place }) + print(message), options)
    this.code = code
    this.param = param
    this.retryAfterSeconds = options.retryAfterSeconds
    this.index = index
    this.place = place
    this.wording = toWording(message)
  }
}

/** The message of an error as one surface says it. */
export function printError(error: EspalierError, surface: Surface): string {
  return describeSubject(error) + print(error.wording, surface)
}

/** The whole message of an error, subject and all, as a part of another one. */
export function wordingOf(error: EspalierError): Wording {
  return [describeSubject(error), ...error.wording]
}

/** The same failure, with what is known of it farther up: whose input it was, where it lay, what else there is to say. */
export function restate(
  error: EspalierError,
  known: EspalierErrorOptions & { readonly code?: ErrorCode; readonly wording?: Wording },
): EspalierError {
  const { code = error.code, wording = error.wording, ...options } = known
  const { param, retryAfterSeconds, index, place } = error
  const kept = { param, retryAfterSeconds, index, place, cause: error }
  return new EspalierError(code, wording, { ...kept, ...options })
}

/** A place as messages say it: `rows.csv line 7`. */
export function formatPlace({ source, line, part }: Place): string {
  if (part !== undefined) return `${source} ${part}`
  return line === undefined ? source : `${source} line ${line}`
}

/** What a message opens with: `inputs[3] ` before what is said of an input, `rows.csv line 7: ` before what is said of a place. */
function describeSubject({
  index,
  param,
  place,
}: Pick<EspalierErrorOptions, 'index' | 'param' | 'place'>): string {
  const subject = place === undefined ? (param ?? '') : formatPlace(place)
  if (index !== undefined) return `${subject} `
  return place === undefined ? '' : `${subject}: `
}

/** True for an error of ours, of the given code if one is named. */
export function isEspalierError(error: unknown, code?: ErrorCode): error is EspalierError {
  return error instanceof EspalierError && (code === undefined || error.code === code)
}
