import { pino } from 'pino'
import type { Config } from '../../shared/lib/config/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'

/** JSON lines on stderr, written before the call returns. */
export function createPinoLog(level: Config['logLevel']): Logger {
  return pino({ level, base: null }, pino.destination(2))
}
