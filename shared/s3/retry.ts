import { type Clock, systemClock } from '../lib/clock.ts'

/** When a request is sent again. */
export interface RetryOptions {
  /** Requests in all, the first one included. */
  readonly attempts?: number | undefined
  /** No request is sent again after this time, in milliseconds. */
  readonly budgetMs?: number | undefined
  /** Longest pause before the second request, in milliseconds; it doubles with every further one. */
  readonly baseDelayMs?: number | undefined
  /** Uniform in [0, 1). */
  readonly random?: (() => number) | undefined
  readonly clock?: Clock | undefined
}

/** A policy with nothing left out. */
export type RetryPolicy = {
  readonly [Name in keyof RetryOptions]-?: NonNullable<RetryOptions[Name]>
}

const MAX_DELAY_MS = 5_000
/** A server that says it is overloaded is left alone this much longer. */
const THROTTLED_FACTOR = 5

/** Fills in the defaults. */
export function retryPolicy(options: RetryOptions = {}): RetryPolicy {
  return {
    attempts: options.attempts ?? 5,
    budgetMs: options.budgetMs ?? 20_000,
    baseDelayMs: options.baseDelayMs ?? 100,
    random: options.random ?? Math.random,
    clock: options.clock ?? systemClock,
  }
}

/**
 * The pause before request number `attempt + 1`, in milliseconds: exponential with full jitter (M. Brooker,
 * "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, throttled = false): number {
  const base = policy.baseDelayMs * (throttled ? THROTTLED_FACTOR : 1)
  return policy.random() * Math.min(MAX_DELAY_MS, base * 2 ** (attempt - 1))
}

/** What the SDK tells of a failed request. */
interface FailedRequest {
  readonly error?: unknown
  readonly errorType: string
  readonly retryAfterHint?: Date
}

/** The SDK's token of one operation, with the time it began. */
class RetryToken {
  readonly startedMs: number
  readonly #retries: number
  readonly #delayMs: number

  constructor(startedMs: number, retries = 0, delayMs = 0) {
    this.startedMs = startedMs
    this.#retries = retries
    this.#delayMs = delayMs
  }

  getRetryCount(): number {
    return this.#retries
  }

  getRetryDelay(): number {
    return this.#delayMs
  }
}

/**
 * The SDK's retry strategy for this policy. Beside what the SDK calls transient it repeats 409: a conditional
 * write that met another one under way, which neither won nor lost.
 */
export class S3RetryStrategy {
  readonly #policy: RetryPolicy

  constructor(policy: RetryPolicy) {
    this.#policy = policy
  }

  async acquireInitialRetryToken(): Promise<RetryToken> {
    return new RetryToken(this.#policy.clock.monotonicMs())
  }

  async refreshRetryTokenForRetry(token: RetryToken, failed: FailedRequest): Promise<RetryToken> {
    const { attempts, budgetMs, clock } = this.#policy
    const attempt = token.getRetryCount() + 1
    const spentMs = clock.monotonicMs() - token.startedMs
    if (!isRetryable(failed) || attempt >= attempts || spentMs >= budgetMs) {
      throw new Error('not tried again')
    }
    const throttled = failed.errorType === 'THROTTLING' || statusOf(failed.error) === 503
    const hintMs = (failed.retryAfterHint?.getTime() ?? 0) - clock.wallMs()
    const delayMs = Math.max(
      retryDelayMs(this.#policy, attempt, throttled),
      Math.min(MAX_DELAY_MS, hintMs),
    )
    return new RetryToken(token.startedMs, attempt, delayMs)
  }

  recordSuccess(): void {}
}

function isRetryable({ error, errorType }: FailedRequest): boolean {
  // What a server has not got it will not have in a moment.
  if (statusOf(error) === 501) return false
  if (errorType !== 'CLIENT_ERROR') return true
  const status = statusOf(error)
  return status === 408 || status === 409
}

/** The HTTP status of the SDK's error; undefined where no answer came. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata } = (error ?? {}) as { $metadata?: { httpStatusCode?: number } }
  return $metadata?.httpStatusCode
}
