import type { Config } from '../../shared/lib/config/config.ts'
import { type Logger, silentLogger } from '../../shared/lib/logger.ts'

/** pino on stderr, loaded with the first line that is logged. */
export function createLazyLogger({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  if (logLevel === 'silent') return silentLogger
  let lines: Promise<Logger> | undefined
  const open = async () => {
    const { createPinoLog } = await import('../api/pino-log.ts')
    return createPinoLog(logLevel)
  }
  const write =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      lines ??= open()
      void lines.then((logger) => logger[level](fields, message))
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}
