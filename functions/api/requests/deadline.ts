import { z } from 'zod'
import type { Clock } from '../../../shared/lib/clock.ts'
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

/** For whom a request waits, and how long. */
export interface Patience {
  readonly signal: AbortSignal
  /** What is left of the time that the caller allows. */
  readonly timeoutMs: number | undefined
  /** Whose turn it takes while it waits; null where no key is asked for. */
  readonly caller: { readonly name: string; readonly weight: number } | null
}

/**
 * How long the caller of a request will wait: until the connection ends, or the time in the header is up, which began
 * with the request.
 * @throws EspalierError `invalid_request` for a header that is no number of milliseconds
 */
export function readDeadline(c: ApiContext, clock: Clock): Patience {
  const { signal } = c.req.raw
  const { caller: key, weight, startedMs } = c.get('record')
  const caller = key && { name: key.name, weight }
  const given = c.req.header(TIMEOUT_HEADER)
  if (given === undefined) return { signal, timeoutMs: undefined, caller }
  const allowedMs = /^[0-9]{1,7}$/.test(given) ? Number(given) : Number.NaN
  if (allowedMs >= 1 && allowedMs <= MAX_TIMEOUT_MS) {
    const timeoutMs = Math.max(1, Math.ceil(allowedMs - (clock.monotonicMs() - startedMs)))
    return { signal, timeoutMs, caller }
  }
  throw new EspalierError(
    'invalid_request',
    `${TIMEOUT_HEADER} is ${quote(given)}; it must be a whole number of milliseconds from 1 to ${MAX_TIMEOUT_MS}`,
    { param: TIMEOUT_HEADER },
  )
}
