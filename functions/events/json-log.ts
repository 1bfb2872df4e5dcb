import { EspalierError } from '../../shared/lib/errors.ts'
import type { Logger } from '../../shared/lib/logger.ts'

function write(level: string, { err, ...fields }: { err?: unknown }, msg?: string): void {
  const error = err instanceof Error ? { message: err.message } : {}
  const code = err instanceof EspalierError ? { errorCode: err.code } : {}
  const time = new Date().toISOString()
  process.stdout.write(`${JSON.stringify({ level, time, msg, ...fields, ...code, ...error })}\n`)
}

/** A log of lines of JSON on the standard output, as Lambda takes it. */
export const jsonLog: Logger = {
  debug() {},
  info: (fields, message) => write('info', fields, message),
  warn: (fields, message) => write('warn', fields, message),
  error: (fields, message) => write('error', fields, message),
}
