import { EspalierError } from '../lib/errors.ts'
import { EXPIRED } from '../s3/errors.ts'
import { statusOf } from '../s3/retry.ts'

/** What was asked of AWS, for the message of its failure. */
export interface AwsRequest {
  /** `read the secret espalier/keys`. */
  readonly what: string
  /** The right that it needs: `secretsmanager:GetSecretValue`. */
  readonly action: string
  /** What the right is needed on: an ARN, or a pattern of one. */
  readonly resource: string
}

const UNKNOWN_CALLER = [
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'MissingAuthenticationTokenException',
  'IncompleteSignature',
]
const NO_CREDENTIALS = ['CredentialsProviderError', 'TokenProviderError']
const DENIED = ['AccessDeniedException', 'AccessDenied', 'UnauthorizedOperation']
const THROTTLED = ['ThrottlingException', 'TooManyRequestsException', 'RequestLimitExceeded']
/** The key that encrypts a secret is out of reach: a right of its own, on KMS. */
const DECRYPTION = ['DecryptionFailure', 'EncryptionFailure', 'InvalidKeyId']

/** The SDK's name of an error: that of the service, or of its own. */
export function awsCode(error: unknown): string {
  return error instanceof Error ? error.name : ''
}

/**
 * The error for a request that failed for good: `forbidden` with the right that is missing, `invalid_config` for
 * credentials, else `aws_unavailable`. It repeats nothing of the answer but AWS's own message.
 */
export function explainAwsFailure(request: AwsRequest, error: unknown): EspalierError {
  const { what, action, resource } = request
  const code = awsCode(error)
  const status = statusOf(error)
  const message = error instanceof Error ? error.message || code : String(error)
  const fail = (kind: 'forbidden' | 'invalid_config' | 'aws_unavailable', why: string) =>
    new EspalierError(kind, `cannot ${what}: ${why}${describeRequest(error)}`, {
      cause: plainCause(code, message),
    })
  if (NO_CREDENTIALS.includes(code)) {
    return fail(
      'invalid_config',
      `no AWS credentials: ${message}; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role`,
    )
  }
  if (EXPIRED.includes(code)) {
    const fix = 'get new ones, such as by "aws sso login"'
    return fail('invalid_config', `the AWS credentials have expired; ${fix}`)
  }
  if (UNKNOWN_CALLER.includes(code)) {
    const fix = 'check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE'
    return fail('invalid_config', `the AWS credentials are not valid: ${message}; ${fix}`)
  }
  if (DENIED.includes(code)) {
    const key = /kms/i.test(message) ? ', and the key that encrypts it must let the caller in' : ''
    return fail('forbidden', `access denied; allow ${action} on ${resource}${key}`)
  }
  if (DECRYPTION.includes(code)) {
    const fix = 'allow kms:Decrypt on the key that encrypts it'
    return fail('forbidden', `${message}; ${fix}`)
  }
  if (THROTTLED.includes(code) || status === 429) {
    return fail('aws_unavailable', 'AWS asks to slow down; try again later')
  }
  if (status === undefined) return fail('aws_unavailable', `no answer: ${message}`)
  return fail('aws_unavailable', message)
}

function describeRequest(error: unknown): string {
  const { $metadata } = (error ?? {}) as {
    $metadata?: { httpStatusCode?: number; requestId?: string; attempts?: number }
  }
  const { httpStatusCode, requestId, attempts = 0 } = $metadata ?? {}
  const facts = [
    ...(httpStatusCode === undefined ? [] : [`HTTP ${httpStatusCode} ${awsCode(error)}`.trim()]),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(requestId === undefined ? [] : [`request ${requestId}`]),
  ]
  return facts.length > 0 ? ` (${facts.join(', ')})` : ''
}

/** The SDK's errors carry the whole answer, and that of a secret is nothing for a log. */
function plainCause(code: string, message: string): Error {
  const cause = new Error(message)
  cause.name = code
  return cause
}
