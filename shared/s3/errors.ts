import { EspalierError } from '../lib/errors.ts'
import type { S3Connection } from './client.ts'
import { statusOf } from './retry.ts'

/** What the store was doing, for messages. */
export type S3Verb =
  | 'read'
  | 'read a version of'
  | 'look up'
  | 'create'
  | 'replace'
  | 'write'
  | 'download'
  | 'list'
  | 'delete'
  | 'list versions of'
  | 'delete versions of'

/** What is known of a request that S3 refused, or never answered. */
interface Failure {
  readonly status: number | undefined
  /** S3's own code; answers without a body have none. */
  readonly code: string
  readonly message: string
  readonly requestId: string | undefined
  /** Requests sent; 0 for errors that are not about a request. */
  readonly attempts: number
  /** The bucket's region, where S3 names it. */
  readonly region: string | undefined
}

/** The action that a policy must allow. */
const ACTIONS: Readonly<Record<S3Verb, string>> = {
  read: 's3:GetObject',
  'read a version of': 's3:GetObjectVersion',
  'look up': 's3:GetObject',
  create: 's3:PutObject',
  replace: 's3:PutObject',
  write: 's3:PutObject',
  download: 's3:GetObject',
  list: 's3:ListBucket',
  delete: 's3:DeleteObject',
  'list versions of': 's3:ListBucketVersions',
  'delete versions of': 's3:DeleteObjectVersion',
}

/** Codes of a 404 about the object itself, as against its bucket or the caller. */
const MISSING_OBJECT = ['', 'Unknown', 'UnknownError', 'NotFound', 'NoSuchKey', 'NoSuchVersion']
/** Codes of credentials that were valid once. */
export const EXPIRED = [
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'RequestExpired',
]
/** Codes of credentials that never were. */
export const UNKNOWN_CALLER = [
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidToken',
  'InvalidSecurity',
]

/** True where S3 says that the object is not there; a missing bucket is another matter. */
export function isMissingObject(error: unknown): boolean {
  return statusOf(error) === 404 && MISSING_OBJECT.includes(readFailure(error).code)
}

/** What messages call a place on S3, and what is corrected where it is wrong. */
interface NamedPlace {
  readonly url: string
  readonly setting: string
}

/**
 * The error for a request that failed for good: `registry_unavailable` with the operation, the object, the cause,
 * the fix where there is one, and the request id that AWS support asks for.
 */
export function explainFailure(
  connection: S3Connection,
  verb: S3Verb,
  key: string,
  error: unknown,
  named: NamedPlace = { url: connection.url, setting: 'ESPALIER_REGISTRY' },
): EspalierError {
  const failure = readFailure(error)
  const what = verb === 'list' ? `list ${key === '' ? 'objects' : `${key}*`}` : `${verb} ${key}`
  const why = describe(connection, verb, failure, named.setting)
  return new EspalierError(
    'registry_unavailable',
    `cannot ${what} in ${named.url}: ${why}${tellFacts(failure)}`,
    { cause: withoutSecrets(failure, error) },
  )
}

/** The error for one object that S3 keeps from a caller who reads others: `object_unreadable`. */
export function explainKeptObject(
  { url, location }: S3Connection,
  verb: S3Verb,
  key: string,
  error: unknown,
): EspalierError {
  const failure = readFailure(error)
  const object = `arn:aws:s3:::${location.bucket}/${location.prefix}${key}`
  const why =
    failure.code === 'InvalidObjectState'
      ? 'it is archived; restore it, or move it to a storage class that is read at once'
      : `access denied, though the bucket can be listed; allow ${ACTIONS[verb]} on ${object}, and kms:Decrypt on the key that encrypts it`
  return new EspalierError(
    'object_unreadable',
    `cannot ${verb} ${key} in ${url}: ${why}${tellFacts(failure)}`,
    { cause: withoutSecrets(failure, error) },
  )
}

function tellFacts({ status, code, attempts, requestId }: Failure): string {
  const facts = [
    ...(status === undefined ? [] : [`HTTP ${status} ${code}`.trim()]),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(requestId === undefined ? [] : [`request ${requestId}`]),
  ]
  return facts.length > 0 ? ` (${facts.join(', ')})` : ''
}

/** Where objects are, and what the user calls it. */
export interface ObjectPlace {
  readonly connection: S3Connection
  readonly url: string
}

/** The error of a failed request for an object, in words about a URL instead of a registry. */
export function explainObjectFailure(
  { connection, url }: ObjectPlace,
  verb: S3Verb,
  key: string,
  error: unknown,
): unknown {
  if (error instanceof EspalierError) return error
  if (error instanceof Error && error.name === 'AbortError') return error
  const named = { url: url.split('?')[0]!, setting: 'the URL' }
  return explainFailure(connection, verb, key, error, named)
}

/** The SDK's errors carry the answer's fields, and S3 answers a wrong signature with the session token in them. */
function withoutSecrets(failure: Failure, error: unknown): Error {
  const cause = new Error(failure.message)
  cause.name = failure.code
  if (error instanceof Error && error.stack !== undefined) cause.stack = error.stack
  return cause
}

/** The error for an answer that lacks what every S3 server sends. */
export function malformedAnswer(
  connection: S3Connection,
  key: string,
  what: string,
): EspalierError {
  return new EspalierError(
    'registry_unavailable',
    `${connection.url} answered for ${key} without ${what}; is it an S3 server?`,
  )
}

function describe(
  connection: S3Connection,
  verb: S3Verb,
  failure: Failure,
  setting: string,
): string {
  const { bucket, prefix } = connection.location
  const { status, code, message } = failure
  if (status === undefined) return describeSilence(failure)
  if (code === 'NoSuchBucket') {
    return `there is no bucket ${bucket}; create it, or correct ${setting}`
  }
  if (status === 301 || (failure.region !== undefined && failure.region !== connection.region)) {
    const right = failure.region ?? 'the right one'
    const where = failure.region === undefined ? 'in another region' : `in ${failure.region}`
    return `the bucket ${bucket} is ${where}, and ${connection.region} was asked; set AWS_REGION=${right}, or append ?region=${right} to the URL`
  }
  if (EXPIRED.includes(code)) {
    return 'the AWS credentials have expired; get new ones, such as by "aws sso login"'
  }
  if (UNKNOWN_CALLER.includes(code)) {
    return `the AWS credentials are not valid: ${message}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE`
  }
  if (code === 'RequestTimeTooSkewed') {
    return `the clock of this machine is wrong: ${message}; set it by NTP`
  }
  if (status === 401 || status === 403) {
    const resource = verb === 'list' ? bucket : `${bucket}/${prefix}*`
    return `access denied; allow ${ACTIONS[verb]} on arn:aws:s3:::${resource}, and s3:ListBucket on arn:aws:s3:::${bucket}, without which S3 calls missing objects forbidden`
  }
  if (status === 503 || status === 429) return 'S3 asks to slow down; try again later'
  if (status === 400 && MISSING_OBJECT.includes(code)) {
    return 'the request was refused without a reason; that is how expired credentials and a wrong region show'
  }
  return message
}

function describeSilence({ code, message, attempts }: Failure): string {
  if (code === 'CredentialsProviderError' || code === 'TokenProviderError') {
    return `no AWS credentials: ${message}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role`
  }
  // Without a request it is the local file, or a body that broke off.
  return attempts === 0 ? message : `no answer: ${message}`
}

/** S3's own code of a failure; empty where an answer has none. */
export function codeOf(error: unknown): string {
  return readFailure(error).code
}

function readFailure(error: unknown): Failure {
  const { name, message, Code, Region, $metadata, $response } = (error ?? {}) as Partial<Error> & {
    Code?: string
    Region?: string
    $metadata?: { requestId?: string; attempts?: number }
    $response?: { headers?: Record<string, string> }
  }
  return {
    status: statusOf(error),
    code: Code ?? name ?? '',
    message: message || String(error),
    requestId: $metadata?.requestId?.split(',')[0],
    attempts: $metadata?.attempts ?? 0,
    region: $response?.headers?.['x-amz-bucket-region'] ?? Region,
  }
}
