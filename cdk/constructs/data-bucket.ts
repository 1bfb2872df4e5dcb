import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam'
import { Bucket, BucketEncryption, type IBucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { acknowledgeResources } from './acknowledge.ts'
import { createLogBucket, LOGS_BY_POLICY, PRIVATE } from './private-bucket.ts'

/** Where jobs read rows and write results. */
export interface DataBucketProps {
  /**
   * A bucket that is there already.
   * @default one is made, which outlives the stack
   */
  readonly bucket?: IBucket
}

const REASON = 'Objects of the data bucket are named by whoever submits a job.'

/** A bucket for rows and results, and the rights of jobs in it. */
export class DataBucket extends Construct {
  readonly bucket: IBucket

  constructor(scope: Construct, id: string, props: DataBucketProps = {}) {
    super(scope, id)
    this.node.setContext(LOGS_BY_POLICY, true)
    this.bucket =
      props.bucket ??
      new Bucket(this, 'Bucket', {
        ...PRIVATE,
        encryption: BucketEncryption.S3_MANAGED,
        removalPolicy: RemovalPolicy.RETAIN,
        serverAccessLogsBucket: createLogBucket(this, 'AccessLogs'),
        lifecycleRules: [{ id: 'uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      })
  }

  /** Lets a job read objects and list them. */
  grantRead(grantee: IGrantable): Grant {
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
    const resourceArns = [this.bucket.arnForObjects('*')]
    const { grantPrincipal } = grantee
    if (Construct.isConstruct(grantPrincipal)) {
      acknowledgeResources(grantPrincipal, REASON, resourceArns)
    }
    return Grant.addToPrincipal({ grantee, actions, resourceArns })
  }
}
