/** The entry that Lambda calls: `handler.handler`. It writes its log as lines of JSON. */
import { EspalierError } from '../../shared/lib/errors.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import { createTellChange } from './tell-change.ts'

function write(level: string, { err, ...fields }: { err?: unknown }, msg?: string): void {
  const error = err instanceof Error ? { message: err.message } : {}
  const code = err instanceof EspalierError ? { errorCode: err.code } : {}
  const time = new Date().toISOString()
  process.stdout.write(`${JSON.stringify({ level, time, msg, ...fields, ...code, ...error })}\n`)
}

const logger: Logger = {
  debug() {},
  info: (fields, message) => write('info', fields, message),
  warn: (fields, message) => write('warn', fields, message),
  error: (fields, message) => write('error', fields, message),
}

export const handler = createTellChange({ logger })
