import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam'
import { Bucket, BucketEncryption, type IBucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { acknowledgeResources } from './acknowledge.ts'
import { createLogBucket, LOGS_BY_POLICY, PRIVATE } from './private-bucket.ts'

/** Where jobs read rows and write results. */
export interface DataBucketProps {
  /**
   * A bucket that is there already.
   * @default one is made, which outlives the stack
   */
  readonly bucket?: IBucket | undefined
  /**
   * What keys begin with that jobs are held to, such as `rows/`.
   * @default all of the bucket
   */
  readonly prefix?: string | undefined
  /**
   * How long objects are kept, in a bucket that is made; only those under the prefix, where there is one.
   * @default for ever
   */
  readonly keepFor?: Duration | undefined
}

const REASON = 'Objects of the data bucket are named by whoever submits a job.'

/** A bucket for rows and results, and the rights of jobs in it. */
export class DataBucket extends Construct {
  readonly bucket: IBucket
  /** Empty, or with a slash at its end. */
  readonly prefix: string

  /** @throws SettingError for a prefix that is none, and for a time in a bucket that is not made here */
  constructor(scope: Construct, id: string, props: DataBucketProps = {}) {
    super(scope, id)
    this.prefix = readPrefix(props.prefix)
    const { keepFor } = props
    if (props.bucket && keepFor) {
      throw new SettingError('a time to keep rows is for a bucket that is made; this one is there')
    }
    this.node.setContext(LOGS_BY_POLICY, true)
    const expire = keepFor && {
      id: 'rows',
      expiration: keepFor,
      // For a bucket whose owner turns versions on.
      noncurrentVersionExpiration: Duration.days(1),
      ...(this.prefix !== '' && { prefix: this.prefix }),
    }
    this.bucket =
      props.bucket ??
      new Bucket(this, 'Bucket', {
        ...PRIVATE,
        encryption: BucketEncryption.S3_MANAGED,
        removalPolicy: RemovalPolicy.RETAIN,
        serverAccessLogsBucket: createLogBucket(this, 'AccessLogs'),
        lifecycleRules: [
          { id: 'uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
          ...(expire ? [expire] : []),
        ],
      })
  }

  /** Lets a job read objects under the prefix, and list the names of all. */
  grantRead(grantee: IGrantable): Grant {
    // Without a condition on the prefix: with one, S3 calls missing objects forbidden, and results are looked up first.
    return Grant.addToPrincipal({
      grantee,
      actions: ['s3:ListBucket'],
      resourceArns: [this.bucket.bucketArn],
    }).combine(this.#grantObjects(grantee, ['s3:GetObject']))
  }

  /** Lets a job write objects, beside reading them. */
  grantWrite(grantee: IGrantable): Grant {
    return this.grantRead(grantee).combine(
      this.#grantObjects(grantee, ['s3:PutObject', 's3:AbortMultipartUpload']),
    )
  }

  #grantObjects(grantee: IGrantable, actions: string[]): Grant {
    const resourceArns = [this.bucket.arnForObjects(`${this.prefix}*`)]
    const { grantPrincipal } = grantee
    if (Construct.isConstruct(grantPrincipal)) {
      acknowledgeResources(grantPrincipal, REASON, resourceArns)
    }
    return Grant.addToPrincipal({ grantee, actions, resourceArns })
  }
}

/** A prefix ends in a slash: `rows` must not open `rows-of-others`. */
function readPrefix(given = ''): string {
  if (
    !/^(?:[A-Za-z0-9!_.'()-]+(?:\/[A-Za-z0-9!_.'()-]+)*\/?)?$/.test(given) ||
    given.length > 500
  ) {
    throw new SettingError(
      `data.prefix is "${given}"; it must be letters, digits and !_.'()- joined by slashes, such as rows/`,
    )
  }
  return given === '' || given.endsWith('/') ? given : `${given}/`
}
