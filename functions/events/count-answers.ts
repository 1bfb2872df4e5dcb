import type { LogRow } from '../../shared/aws/log-query.ts'
import type { ErrorCode } from '../../shared/lib/errors.ts'

/** What a version has answered, as far as it says something of the version. */
export interface Answers {
  /** Requests that got what they asked for. */
  readonly answered: number
  /** Requests that failed by a fault of the server, of which the version may be the cause. */
  readonly failed: number
  /** The 95th percentile of the time to answer of those that were answered; null where none was. */
  readonly p95Ms: number | null
}

/** Above what a version is rolled back. */
export interface BakeLimits {
  /** Share of failed answers, 0 to 1. */
  readonly errors: number
  /** Milliseconds; null for any. */
  readonly latencyMs: number | null
}

/** Fewer answers say nothing: of 20, one slow answer is beyond the 95th percentile. */
export const LEAST_ANSWERS = 20
/** One failure or two happen to every version, as when a machine is replaced. */
export const LEAST_FAILED = 3

/** 5xx that a version is not the cause of: the caller's own deadline, a process that starts or ends, a bucket that is away. */
const NOT_OF_THE_VERSION: readonly ErrorCode[] = [
  'deadline_exceeded',
  'model_loading',
  'shutting_down',
  'registry_unavailable',
]

/**
 * The query of Logs Insights for the answers of a version: one row for each status and error code.
 * @param label `intent@v2`
 */
export function answersQuery(label: string): string {
  const name = label.replaceAll('.', '\\.')
  return [
    `filter msg = "request" and heads like /(^|, )${name}(,|$)/`,
    // A line without an error code has "request" there.
    'stats count(*) as answers, pct(durationMs, 95) as p95 by status, coalesce(errorCode, msg) as code',
    'limit 1000',
  ].join(' | ')
}

/** Counts the rows of such a query. What callers did wrong (4xx, 499 included) counts as nothing. */
export function countAnswers(rows: readonly LogRow[]): Answers {
  let [answered, failed, most] = [0, 0, 0]
  let p95Ms: number | null = null
  for (const { status, answers, p95, code = '' } of rows) {
    const count = Number(answers ?? 0)
    if (Number(status) < 400) {
      answered += count
      if (count > most && p95 !== undefined) [most, p95Ms] = [count, Number(p95)]
    }
    const isOurs = !NOT_OF_THE_VERSION.some((each) => each === code)
    if (Number(status) >= 500 && isOurs) failed += count
  }
  return { answered, failed, p95Ms }
}

/** Why a version is to be rolled back, with the figure that says so; null where nothing speaks against it. */
export function findFault(
  { answered, failed, p95Ms }: Answers,
  { errors, latencyMs }: BakeLimits,
  { label, minutes }: { readonly label: string; readonly minutes: number },
): string | null {
  const within = minutes === 1 ? 'within a minute' : `within ${minutes} minutes`
  const total = answered + failed
  if (total >= LEAST_ANSWERS && failed >= LEAST_FAILED && failed > total * errors) {
    return `bake: ${failed} of ${total} answers of ${label} failed ${within}`
  }
  const isSlow = latencyMs !== null && p95Ms !== null && p95Ms > latencyMs
  if (!isSlow || answered < LEAST_ANSWERS) return null
  const slow = Math.round(p95Ms)
  return `bake: the 95th percentile of ${answered} answers of ${label} was ${slow} ms ${within}, above ${latencyMs} ms`
}
