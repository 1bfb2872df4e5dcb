/** The part of a structured logger that the product uses; pino fits it as it is. */
export interface Logger {
  debug(fields: object, message?: string): void
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

/** A logger that drops everything. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
}

/** Reports progress of long work: `done` of `total` units of the named stage, and how it goes in a few words. */
export type Progress = (stage: string, done: number, total: number, detail?: string) => void
