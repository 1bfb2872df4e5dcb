import { Duration } from 'aws-cdk-lib'
import type { IVpc } from 'aws-cdk-lib/aws-ec2'
import type { IGrantable } from 'aws-cdk-lib/aws-iam'
import type { LogGroup } from 'aws-cdk-lib/aws-logs'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import type { DataBucket } from './data-bucket.ts'
import type { ServiceSettings } from './environment.ts'
import type { MonitoredJobs } from './job-alerts.ts'
import { JobDefinition } from './job-definition.ts'
import { addJobParts } from './job-parts.ts'
import { JobQueue } from './job-queue.ts'
import type { ModelStore } from './model-store.ts'
import { checkQuota } from './quotas.ts'
import type { ServiceImage } from './service-image.ts'

/** How jobs over many shards are made. */
export interface BulkJobsProps {
  /** The image's target `cpu` or `gpu`, as `hardware` says; on Fargate the jobs get its processor. */
  readonly image: ServiceImage
  /** Where models come from. */
  readonly store: ModelStore
  readonly vpc: IVpc
  /**
   * Fargate, or instances with a GPU each.
   * @default 'cpu'
   */
  readonly hardware?: 'cpu' | 'gpu'
  /**
   * Where shards are read and results written.
   * @default a bucket is made
   */
  readonly data?: IBucket
  /**
   * What keys begin with that may be read and written, such as `rows/`.
   * @default all of the bucket
   */
  readonly dataPrefix?: string
  /**
   * How long objects are kept, in a bucket that is made.
   * @default for ever
   */
  readonly dataFor?: Duration
  /**
   * Whether capacity may be taken back at any time, for a third of the price: a shard is then done anew.
   * @default true
   */
  readonly spot?: boolean
  /**
   * Processors of a shard's job on Fargate: 1, 2, 4, 8 or 16.
   * @default 4
   */
  readonly vcpus?: number
  /**
   * Memory of a shard's job on Fargate in MiB.
   * @default 8192
   */
  readonly memoryMib?: number
  /**
   * Most processors of all shards at once.
   * @default 256
   */
  readonly maxVcpus?: number
  /**
   * When a shard is given up.
   * @default 4 hours
   */
  readonly timeout?: Duration
  /**
   * Further settings of the jobs.
   * @default none
   */
  readonly settings?: ServiceSettings
}

/** Parameters are `input` and `output`, two places on S3; which shards are its own a child knows from its index. */
const SHARD = ['bulk', 'Ref::input', '--output', 'Ref::output', '--quiet'] as const
const COMMANDS = { Embed: [], Classify: ['--classifier', 'Ref::classifier'] } as const

/** What `espalier bulk` ends with where the same may well succeed: S3 was away, or it was told to stop. */
const RETRY_ON = [75, 143] as const

/**
 * An array job of AWS Batch over shards on S3: child N of the array does the shards that fall to it, and writes each
 * result once, so that a child which is started again does no harm.
 */
export class BulkJobs extends Construct implements MonitoredJobs {
  readonly jobsName = 'Bulk'
  readonly logGroup: LogGroup
  readonly data: DataBucket
  /** `Embed`, and `Classify` with the parameter `classifier` beside. */
  readonly definitions: Readonly<Record<string, JobDefinition>>
  readonly queue: JobQueue
  readonly queueArns: readonly string[]

  constructor(scope: Construct, id: string, props: BulkJobsProps) {
    super(scope, id)
    const { vpc, store, image, hardware = 'cpu', spot = true, maxVcpus = 256 } = props
    checkQuota('Bulk: the most processors at once', maxVcpus, '', { min: 1, max: 100_000 })
    const { logGroup, data, role } = addJobParts(this, {
      data: props.data,
      dataPrefix: props.dataPrefix,
      dataFor: props.dataFor,
      roleDescription: 'Espalier: reads models and shards, writes results',
    })
    this.logGroup = logGroup
    this.data = data
    store.grantServe(role)
    data.grantWrite(role)
    const onGpu = { device: 'cuda', precision: 'float16' } as const
    const shared = {
      image,
      hardware,
      vpc,
      role,
      logGroup,
      vcpus: hardware === 'gpu' ? 4 : (props.vcpus ?? 4),
      memoryMib: hardware === 'gpu' ? 14_336 : (props.memoryMib ?? 8192),
      timeout: props.timeout ?? Duration.hours(4),
      attempts: 5,
      retryOn: RETRY_ON,
      settings: {
        registry: store.registryUrl,
        ...(hardware === 'gpu' ? onGpu : {}),
        ...props.settings,
      },
    }
    this.definitions = Object.fromEntries(
      Object.entries(COMMANDS).map(([name, options]) => [
        name,
        new JobDefinition(this, name, { ...shared, command: [...SHARD, ...options] }),
      ]),
    )
    this.queue = new JobQueue(this, 'Queue', { vpc, hardware, spot, maxVcpus })
    this.queueArns = [this.queue.queue.jobQueueArn]
  }

  /** Lets a principal submit array jobs. */
  grantSubmit(grantee: IGrantable): void {
    for (const { definition } of Object.values(this.definitions)) {
      definition.grantSubmitJob(grantee, this.queue.queue)
    }
  }
}
