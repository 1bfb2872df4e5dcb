import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { EspalierError } from '../lib/errors.ts'
import type { RestoreHooks } from '../lib/restore-hooks.ts'
import { type RetryOptions, type RetryPolicy, retryPolicy, S3RetryStrategy } from './retry.ts'
import { parseS3Url, type S3Location } from './url.ts'

/** How a store on S3 is reached; everything has a default that suits AWS. */
export interface S3StoreOptions {
  /** Instead of the SDK's own chain: environment, profile, container, instance. */
  readonly credentials?: S3ClientConfig['credentials']
  /** Makes the client anew, with its connections and credentials, after a restore from a snapshot. */
  readonly restoreHooks?: RestoreHooks | undefined
  readonly retry?: RetryOptions | undefined
  /** Longest time to connect, in milliseconds. */
  readonly connectTimeoutMs?: number | undefined
  /** Longest time to the answer's first byte, in milliseconds; larger bodies get more. */
  readonly requestTimeoutMs?: number | undefined
  /** Longest silence on a connection, in milliseconds. */
  readonly idleTimeoutMs?: number | undefined
  /** Files of more bytes than this go up in parts, each of this size; at least 5 MiB. */
  readonly partBytes?: number | undefined
}

/** A client bound to one bucket and prefix. */
export interface S3Connection {
  readonly url: string
  readonly location: S3Location
  /** The present one; it changes with a renewal. */
  readonly client: S3Client
  readonly region: string
  readonly retry: RetryPolicy
  readonly requestTimeoutMs: number
  readonly partBytes: number
  /** False for AWS itself, whose conditional writes are known to hold. */
  readonly isOwnServer: boolean
  /** Sends no checksums from now on, which some servers refuse. */
  dropChecksums(): void
}

const CONNECT_TIMEOUT_MS = 3_000
const REQUEST_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_MS = 10_000
const PART_BYTES = 16 * 1024 * 1024
/** S3 takes no smaller parts, but for the last. */
const MIN_PART_BYTES = 5 * 1024 * 1024
/** Servers of one's own seldom have regions, and requests must be signed for one. */
const DEFAULT_REGION = 'us-east-1'

/**
 * Makes the client that an `s3://` URL asks for.
 * @throws EspalierError `invalid_config` for a wrong URL, and where no region is known
 */
export async function connectToS3(url: string, options: S3StoreOptions): Promise<S3Connection> {
  const location = parseS3Url(url)
  const retry = retryPolicy(options.retry)
  const requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
  const config: S3ClientConfig = {
    retryStrategy: new S3RetryStrategy(retry),
    // Bodies are checked where they are read: against S3's checksum, or against the hash of the caller.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      // Without it a request over its time is logged and goes on.
      throwOnRequestTimeout: true,
      socketTimeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    },
  }
  if (options.credentials !== undefined) config.credentials = options.credentials
  if (location.endpoint !== undefined) config.endpoint = location.endpoint
  if (location.region !== undefined) config.region = location.region
  const partBytes = Math.max(MIN_PART_BYTES, options.partBytes ?? PART_BYTES)
  // The SDK finds endpoint and region by itself; what follows from them has to be known when a client is made.
  const probe = new S3Client(config)
  const endpoint = location.endpoint ?? (await probe.config.serviceConfiguredEndpoint?.())
  const region = await findRegion(probe, endpoint !== undefined)
  // Names below the endpoint's own seldom resolve where the endpoint is not Amazon's.
  const forcePathStyle = location.pathStyle ?? endpoint !== undefined
  // CRC32 by the SDK, or as AWS_REQUEST_CHECKSUM_CALCULATION says.
  let checksums: Pick<S3ClientConfig, 'requestChecksumCalculation'> = {}
  const createClient = () => new S3Client({ ...config, ...checksums, region, forcePathStyle })
  let client = createClient()
  options.restoreHooks?.add(() => {
    client.destroy()
    client = createClient()
  })
  const isOwnServer = endpoint !== undefined && !isAmazon(endpoint)
  const fixed = { url, location, region, retry, requestTimeoutMs, partBytes, isOwnServer }
  return {
    ...fixed,
    dropChecksums() {
      if (checksums.requestChecksumCalculation !== undefined) return
      checksums = { requestChecksumCalculation: 'WHEN_REQUIRED' }
      // What is under way on the old one ends there.
      client = createClient()
    },
    get client() {
      return client
    },
  }
}

/** Of the SDK's own endpoints and of a URL. */
function isAmazon(endpoint: string | { readonly hostname: string }): boolean {
  const host = typeof endpoint === 'string' ? new URL(endpoint).hostname : endpoint.hostname
  return /\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/.test(host)
}

async function findRegion(client: S3Client, isOwnServer: boolean): Promise<string> {
  try {
    return await client.config.region()
  } catch (error) {
    if (isOwnServer) return DEFAULT_REGION
    const why = error instanceof Error ? error.message : String(error)
    throw new EspalierError(
      'invalid_config',
      `no AWS region is set (${why}); set AWS_REGION to the bucket's, or append ?region= to the URL`,
      { place: { source: 'registry on S3' }, param: 'ESPALIER_REGISTRY', cause: error },
    )
  }
}
