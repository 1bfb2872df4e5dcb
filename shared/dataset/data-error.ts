import { EspalierError } from '../lib/errors.ts'
import { isLongerThanBytes } from '../lib/text/text.ts'
import type { Wording } from '../lib/wording.ts'
import type { RowLimits } from './types.ts'

/** An `invalid_data` error that names the source and, where there is one, the line. */
export function dataError(
  name: string,
  line: number | null,
  message: string | Wording,
  cause?: unknown,
): EspalierError {
  const place = { source: name, line: line ?? undefined }
  return new EspalierError('invalid_data', message, { param: name, place, cause })
}

/** A number of bytes as people read it: `4 MiB`, `900 bytes`. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1 << 20 && bytes % (1 << 20) === 0) return `${bytes / (1 << 20)} MiB`
  if (bytes >= 1024 && bytes % 1024 === 0) return `${bytes / 1024} KiB`
  return `${bytes} bytes`
}

/** @throws EspalierError `invalid_data` where a field is longer than `maxFieldBytes` */
export function checkFieldLength(
  name: string,
  line: number,
  column: string,
  value: string,
  limits: RowLimits,
): void {
  const fault = findLongField(column, value, limits)
  if (fault !== null) throw dataError(name, line, fault)
}

/** What is wrong with a field that is longer than `maxFieldBytes`; null where it is not. */
export function findLongField(column: string, value: string, limits: RowLimits): string | null {
  if (!isLongerThanBytes(value, limits.maxFieldBytes)) return null
  return `the field "${column}" is longer than ${formatBytes(limits.maxFieldBytes)}`
}
