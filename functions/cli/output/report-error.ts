import { CommanderError } from 'commander'
import { type ErrorCode, isEspalierError, printError } from '../../../shared/lib/errors.ts'
import { explainRefusal } from '../../../shared/lib/system-errors.ts'
import type { Surface } from '../../../shared/lib/wording.ts'

/** How the command line names things: `--name`, `"espalier promote intent@v7 --alias champion"`. */
export const COMMAND_LINE: Surface = {
  option: ({ name, value }) => (value === undefined ? `--${name}` : `--${name} ${value}`),
  task: ({ name, target, options = {} }) => {
    const given = Object.entries(options).map(([option, value]) =>
      value === true ? `--${option}` : `--${option} ${value}`,
    )
    return `"${['espalier', name, ...(target === undefined ? [] : [target]), ...given].join(' ')}"`
  },
}

export const EXIT_OK = 0
export const EXIT_FAILURE = 1
/** What was asked for makes no sense; the data and the machine are not at fault. */
export const EXIT_USAGE = 2
/** `EX_TEMPFAIL` of sysexits.h: the same again may well succeed. */
export const EXIT_RETRY = 75
/** 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130
/** 128 + SIGTERM. */
export const EXIT_TERMINATED = 143

/** The exit code of every error. */
export const EXIT_CODES = {
  invalid_request: EXIT_USAGE,
  invalid_json: EXIT_FAILURE,
  empty_input: EXIT_FAILURE,
  input_too_long: EXIT_FAILURE,
  input_too_large: EXIT_FAILURE,
  too_many_inputs: EXIT_FAILURE,
  body_too_large: EXIT_FAILURE,
  headers_too_large: EXIT_FAILURE,
  request_timeout: EXIT_FAILURE,
  unsupported_media_type: EXIT_FAILURE,
  unsupported_dimensions: EXIT_USAGE,
  token_input_unsupported: EXIT_FAILURE,
  wrong_modality: EXIT_FAILURE,
  invalid_image: EXIT_FAILURE,
  image_too_large: EXIT_FAILURE,
  unsupported_image: EXIT_FAILURE,
  route_not_found: EXIT_FAILURE,
  method_not_allowed: EXIT_FAILURE,
  unauthorized: EXIT_FAILURE,
  forbidden: EXIT_FAILURE,
  model_not_found: EXIT_FAILURE,
  version_not_found: EXIT_FAILURE,
  wrong_model_kind: EXIT_FAILURE,
  unsupported_answer: EXIT_FAILURE,
  fingerprint_mismatch: EXIT_FAILURE,
  overloaded: EXIT_FAILURE,
  rate_limited: EXIT_FAILURE,
  deadline_exceeded: EXIT_FAILURE,
  encoder_stuck: EXIT_FAILURE,
  model_loading: EXIT_FAILURE,
  shutting_down: EXIT_FAILURE,
  request_cancelled: EXIT_INTERRUPTED,
  internal: EXIT_FAILURE,
  invalid_config: EXIT_USAGE,
  invalid_model_file: EXIT_FAILURE,
  unsupported_model: EXIT_FAILURE,
  artifact_corrupt: EXIT_FAILURE,
  self_test_failed: EXIT_FAILURE,
  invalid_name: EXIT_USAGE,
  invalid_data: EXIT_FAILURE,
  family_mismatch: EXIT_FAILURE,
  version_conflict: EXIT_FAILURE,
  registry_unavailable: EXIT_FAILURE,
  aws_unavailable: EXIT_RETRY,
  object_unreadable: EXIT_FAILURE,
  unsupported_schema: EXIT_FAILURE,
  not_better: EXIT_FAILURE,
} satisfies Record<ErrorCode, number>

/** How a failed command ends: what stderr says, if anything, and the exit code. */
export interface Failure {
  readonly message: string | null
  readonly exitCode: number
}

/** Turns whatever ended a command into one line and an exit code. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof CommanderError) return describeUsage(error)
  const message = describeError(error)
  if (isEspalierError(error)) return { message, exitCode: EXIT_CODES[error.code] }
  const refusal = explainRefusal(error)
  if (refusal !== null) return { message: `${placeOf(error)}${refusal}`, exitCode: EXIT_FAILURE }
  return { message: `unexpected failure: ${message}`, exitCode: EXIT_FAILURE }
}

function placeOf(error: unknown): string {
  return error instanceof Error && 'path' in error ? `${error.path}: ` : ''
}

/** The message of whatever was thrown, with options and commands as the command line names them. */
export function describeError(error: unknown): string {
  if (isEspalierError(error)) return printError(error, COMMAND_LINE)
  return error instanceof Error ? error.message || error.name : String(error)
}

function describeUsage(error: CommanderError): Failure {
  // Help and version end in an "error" of code 0; help for want of a command has been shown already.
  if (error.exitCode === 0) return { message: null, exitCode: EXIT_OK }
  if (error.code === 'commander.help') return { message: null, exitCode: EXIT_USAGE }
  return { message: error.message.replace(/^error: /, ''), exitCode: EXIT_USAGE }
}

/** A message on one line, whatever it was made of. */
export function toOneLine(message: string): string {
  return message.replace(/\s*[\r\n]+\s*/g, ' ').trim()
}
