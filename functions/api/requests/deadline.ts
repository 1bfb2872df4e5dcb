import { z } from 'zod'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { ApiContext } from '../types.ts'

/** Request header with the milliseconds that the caller will wait. */
export const TIMEOUT_HEADER = 'x-espalier-timeout-ms'
const MAX_TIMEOUT_MS = 3_600_000

/** The header as `/openapi.json` describes it. */
export const deadlineHeader = z.object({
  [TIMEOUT_HEADER]: z
    .int()
    .min(1)
    .max(MAX_TIMEOUT_MS)
    .optional()
    .describe(
      'Milliseconds in which the answer must be there, else 504; hopeless waits get 429 at once.',
    ),
})

/**
 * How long the caller of a request will wait: until the connection ends, or the time in the header is up.
 * @throws EspalierError `invalid_request` for a header that is no number of milliseconds
 */
export function readDeadline(c: ApiContext): {
  readonly signal: AbortSignal
  readonly timeoutMs: number | undefined
} {
  const { signal } = c.req.raw
  const given = c.req.header(TIMEOUT_HEADER)
  if (given === undefined) return { signal, timeoutMs: undefined }
  const timeoutMs = /^[0-9]{1,7}$/.test(given) ? Number(given) : Number.NaN
  if (timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS) return { signal, timeoutMs }
  throw new EspalierError(
    'invalid_request',
    `${TIMEOUT_HEADER} is ${quote(given)}; it must be a whole number of milliseconds from 1 to ${MAX_TIMEOUT_MS}`,
    { param: TIMEOUT_HEADER },
  )
}
