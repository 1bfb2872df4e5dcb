import { CommanderError } from 'commander'
import { isEspalierError, printError } from '../../shared/lib/errors.ts'
import { EXIT_CODES, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from './exit-codes.ts'
import { COMMAND_LINE } from './surface.ts'

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
  return { message: `unexpected failure: ${message}`, exitCode: EXIT_FAILURE }
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
