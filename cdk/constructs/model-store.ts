import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import { Grant, type IGrantable, type IRole } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { Bucket, BucketEncryption, type CfnBucket, type IBucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { acknowledgeResources } from './acknowledge.ts'
import { createLogBucket, LOGS_BY_POLICY, PRIVATE } from './private-bucket.ts'
import { denyOverwrites } from './write-once.ts'

/** How a store of models is made. */
export interface ModelStoreProps {
  /**
   * Folder of the bucket that holds the registry, without slashes.
   * @default 'registry'
   */
  readonly prefix?: string
  /**
   * A key of your own; it costs a fee a month, and every reader needs a right to it, which the grants give.
   * @default keys of S3
   */
  readonly encryptionKey?: IKey
  /**
   * How long deleted and replaced objects can be got back.
   * @default 30 days
   */
  readonly noncurrentFor?: Duration
  /**
   * How long access logs are kept.
   * @default 90 days
   */
  readonly accessLogsFor?: Duration
  /**
   * ARNs of roles that may delete versions, beside those of `grantRemove`; their own rights they have from elsewhere.
   * @default none
   */
  readonly removers?: readonly string[]
  /**
   * What becomes of the buckets when the stack is deleted; a bucket with objects in it is never deleted.
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy
}

/** Who may do what; the narrowest that Espalier's commands work with. */
const READ = ['s3:GetObject']
const KEYS_REASON =
  'Objects of the registry are named by hashes and by models that are yet to come.'
const READ_KEYS = ['index.json', 'models/*', 'blobs/*']

/** A bucket for versions of models: versioned, encrypted, over TLS only, logged, and written once where versions lie. */
export class ModelStore extends Construct {
  readonly bucket: IBucket
  readonly accessLogs: IBucket
  /** What `ESPALIER_REGISTRY` is set to: `s3://bucket/prefix?region=…`. */
  readonly registryUrl: string
  readonly prefix: string
  readonly #key: IKey | undefined
  readonly #removers: string[]

  constructor(scope: Construct, id: string, props: ModelStoreProps = {}) {
    super(scope, id)
    this.prefix = props.prefix ?? 'registry'
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(this.prefix)) {
      throw new SettingError(
        `the prefix of the model store is "${this.prefix}"; it must be 1 to 63 letters, digits, "_" and "-"`,
      )
    }
    this.#key = props.encryptionKey
    this.#removers = [...(props.removers ?? [])]
    const { removalPolicy = RemovalPolicy.RETAIN } = props
    this.node.setContext(LOGS_BY_POLICY, true)
    this.accessLogs = createLogBucket(this, 'AccessLogs', {
      removalPolicy,
      keepFor: props.accessLogsFor,
    })
    this.bucket = new Bucket(this, 'Bucket', {
      ...PRIVATE,
      removalPolicy,
      versioned: true,
      encryption: this.#key ? BucketEncryption.KMS : BucketEncryption.S3_MANAGED,
      encryptionKey: this.#key,
      bucketKeyEnabled: this.#key !== undefined,
      serverAccessLogsBucket: this.accessLogs,
      serverAccessLogsPrefix: 'models/',
      lifecycleRules: [
        // An upload that died leaves parts to be paid for.
        { id: 'uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
        {
          id: 'noncurrent',
          noncurrentVersionExpiration: props.noncurrentFor ?? Duration.days(30),
          expiredObjectDeleteMarker: true,
        },
      ],
    })
    this.registryUrl = `s3://${this.bucket.bucketName}/${this.prefix}?region=${Stack.of(this).region}`
    denyOverwrites(this.bucket, this.prefix, () => this.#removers)
  }

  /** Lets a server read models. */
  grantServe(grantee: IGrantable): Grant {
    // Without the right to list, S3 calls missing objects forbidden; with a condition on the prefix it does so as well.
    const list = this.#grant(grantee, ['s3:ListBucket'], [this.bucket.bucketArn])
    this.#key?.grantDecrypt(grantee)
    return list.combine(this.#grantKeys(grantee, READ, READ_KEYS))
  }

  /** Lets a job publish versions and move names; it can neither replace nor remove a version. */
  grantPublish(grantee: IGrantable): Grant {
    this.#key?.grantEncryptDecrypt(grantee)
    return this.grantServe(grantee)
      .combine(this.#grantKeys(grantee, ['s3:PutObject'], READ_KEYS))
      .combine(this.#grantKeys(grantee, ['s3:AbortMultipartUpload'], ['blobs/*']))
      .combine(this.#grantKeys(grantee, ['s3:GetObject', 's3:DeleteObject'], ['sweeps/*']))
  }

  /** Lets an operator delete versions and collect garbage, beside all of `grantPublish`. */
  grantRemove(role: IRole): Grant {
    this.#removers.push(role.roleArn)
    return this.grantPublish(role)
      .combine(this.#grantKeys(role, ['s3:PutObject'], ['sweeps/*']))
      .combine(this.#grantKeys(role, ['s3:DeleteObject'], ['blobs/*', 'models/*']))
  }

  /** Lets a function move the names of models to other versions; it can neither read the files of versions nor write any. */
  grantRollBack(grantee: IGrantable): Grant {
    this.#key?.grantEncryptDecrypt(grantee)
    const written = ['index.json', 'models/*/state.json']
    return this.#grant(grantee, ['s3:ListBucket'], [this.bucket.bucketArn])
      .combine(this.#grantKeys(grantee, READ, ['index.json', 'models/*']))
      .combine(this.#grantKeys(grantee, ['s3:PutObject'], written))
  }

  /** Lets a function read what states of models were in any of their versions, and nothing else. */
  grantStateVersions(grantee: IGrantable): Grant {
    this.#key?.grantDecrypt(grantee)
    return this.#grantKeys(grantee, ['s3:GetObjectVersion'], ['models/*/state.json'])
  }

  /** Has S3 tell EventBridge of every object that is written or deleted; what is deployed stays as it is. */
  notifyEventBridge(): void {
    // Through the resource itself: the bucket's own way is a function that changes it after it was made.
    const bucket = this.bucket.node.defaultChild as CfnBucket
    bucket.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } }
  }

  /** Bytes in the bucket, noncurrent ones included, once a day. */
  metricBytes(options?: MetricOptions): Metric {
    return this.#metric('BucketSizeBytes', 'StandardStorage', options)
  }

  /** Objects in the bucket, once a day. */
  metricObjects(options?: MetricOptions): Metric {
    return this.#metric('NumberOfObjects', 'AllStorageTypes', options)
  }

  #metric(metricName: string, storageType: string, options?: MetricOptions): Metric {
    return new Metric({
      namespace: 'AWS/S3',
      metricName,
      dimensionsMap: { BucketName: this.bucket.bucketName, StorageType: storageType },
      statistic: 'Average',
      period: Duration.days(1),
      ...options,
    })
  }

  #grantKeys(grantee: IGrantable, actions: string[], keys: readonly string[]): Grant {
    const resources = keys.map((key) => this.bucket.arnForObjects(`${this.prefix}/${key}`))
    const { grantPrincipal } = grantee
    if (Construct.isConstruct(grantPrincipal))
      acknowledgeResources(grantPrincipal, KEYS_REASON, resources)
    return this.#grant(grantee, actions, resources)
  }

  #grant(grantee: IGrantable, actions: string[], resourceArns: string[]): Grant {
    return Grant.addToPrincipal({ grantee, actions, resourceArns })
  }
}
