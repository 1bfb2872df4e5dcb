import { EspalierError } from '../lib/errors.ts'
import { type RetryOptions, retryPolicy, S3RetryStrategy } from '../s3/retry.ts'

/** How AWS is reached; everything has a default. */
export interface AwsOptions {
  readonly retry?: RetryOptions | undefined
  /** Longest time to connect, in milliseconds. */
  readonly connectTimeoutMs?: number | undefined
  /** Longest time to an answer, in milliseconds. */
  readonly requestTimeoutMs?: number | undefined
}

const CONNECT_TIMEOUT_MS = 2_000
const REQUEST_TIMEOUT_MS = 3_000
/** Somebody waits for the answer: a caller, or a person at a terminal. */
const RETRY = { attempts: 3, budgetMs: 5_000 } as const

/** The settings of a client of the SDK; credentials come from its own chain. */
export function clientConfig(region: string | undefined, options: AwsOptions) {
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options
  return {
    ...(region !== undefined && { region }),
    retryStrategy: new S3RetryStrategy(retryPolicy({ ...RETRY, ...options.retry })),
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Without it a request over its time is logged and goes on.
      throwOnRequestTimeout: true,
      socketTimeout: requestTimeoutMs,
    },
  }
}

/**
 * The region that a client of the SDK works in.
 * @throws EspalierError `invalid_config` where none is set
 */
export async function regionOf(client: {
  readonly config: { region(): Promise<string> }
}): Promise<string> {
  try {
    return await client.config.region()
  } catch (cause) {
    const message = 'no AWS region is set; set AWS_REGION, or the region of the profile'
    throw new EspalierError('invalid_config', message, { param: 'AWS_REGION', cause })
  }
}
