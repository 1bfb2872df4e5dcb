import type { Config } from '../../shared/lib/config/config.ts'
import { type Logger, silentLogger } from '../../shared/lib/logger.ts'

/** JSON lines on stderr, each written before the call returns; pino is loaded with the first line that is logged. */
export function createLazyLogger({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  if (logLevel === 'silent') return silentLogger
  let lines: Promise<Logger> | undefined
  const open = async (): Promise<Logger> => {
    // A bundled package of CommonJS has a default export and no others.
    const { default: pino } = await import('pino')
    const logger: Logger = pino({ level: logLevel, base: null }, pino.destination(2))
    return logger
  }
  const write =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      lines ??= open()
      void lines.then((logger) => logger[level](fields, message))
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}
