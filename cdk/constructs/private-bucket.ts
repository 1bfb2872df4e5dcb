import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'

/** What every bucket has: no public access, no access lists, TLS only. */
export const PRIVATE = {
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
  enforceSSL: true,
  minimumTLSVersion: 1.2,
} as const

/**
 * Has S3 write access logs by a policy of the bucket: access lists, which applications without this feature flag
 * get, are off here. Set on a construct before it has buckets.
 */
export const LOGS_BY_POLICY = '@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy'

/** How a bucket for access logs is made. */
export interface LogBucketOptions {
  /**
   * How long logs are kept.
   * @default 90 days
   */
  readonly keepFor?: Duration
  /**
   * What becomes of it with its stack.
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy
}

/** A bucket for access logs, encrypted with keys of S3: the services that write them know no others. */
export function createLogBucket(
  scope: Construct,
  id: string,
  options: LogBucketOptions = {},
): Bucket {
  const { keepFor = Duration.days(90), removalPolicy = RemovalPolicy.RETAIN } = options
  return new Bucket(scope, id, {
    ...PRIVATE,
    encryption: BucketEncryption.S3_MANAGED,
    removalPolicy,
    lifecycleRules: [{ id: 'expire', expiration: keepFor }],
  })
}
