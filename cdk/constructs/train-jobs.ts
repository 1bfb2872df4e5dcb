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

/** How jobs that train are made. */
export interface TrainJobsProps {
  /** The image's target `cpu`, whose processor the jobs get. */
  readonly image: ServiceImage
  /** Where versions are published. */
  readonly store: ModelStore
  readonly vpc: IVpc
  /**
   * The image's target `gpu`, for jobs on GPUs.
   * @default there are none
   */
  readonly gpuImage?: ServiceImage
  /**
   * Where rows are read.
   * @default a bucket is made
   */
  readonly data?: IBucket
  /**
   * What keys begin with that may be read, such as `rows/`.
   * @default all of the bucket
   */
  readonly dataPrefix?: string
  /**
   * How long objects are kept, in a bucket that is made.
   * @default for ever
   */
  readonly dataFor?: Duration
  /**
   * Processors of a job on Fargate: 1, 2, 4, 8 or 16.
   * @default 4
   */
  readonly vcpus?: number
  /**
   * Memory of a job on Fargate in MiB.
   * @default 16384
   */
  readonly memoryMib?: number
  /**
   * Most processors of all jobs at once.
   * @default 32
   */
  readonly maxVcpus?: number
  /**
   * When a job is given up.
   * @default 6 hours
   */
  readonly timeout?: Duration
  /**
   * Further settings of the jobs.
   * @default none
   */
  readonly settings?: ServiceSettings
}

/** Commands that make a version from rows; parameters are `data` and `name`, and there is no default for either. */
const COMMANDS = { Train: 'train', Finetune: 'finetune' } as const

/** Jobs of AWS Batch that train from rows on S3 and publish; they cost nothing while there are none. */
export class TrainJobs extends Construct implements MonitoredJobs {
  readonly jobsName = 'Train'
  readonly logGroup: LogGroup
  readonly data: DataBucket
  /** `Train` and `Finetune`, and where there is an image for GPUs also `GpuTrain` and `GpuFinetune`. */
  readonly definitions: Readonly<Record<string, JobDefinition>>
  readonly queues: readonly JobQueue[]
  readonly queueArns: readonly string[]

  constructor(scope: Construct, id: string, props: TrainJobsProps) {
    super(scope, id)
    const { vpc, store, image, gpuImage, maxVcpus = 32, timeout = Duration.hours(6) } = props
    checkQuota('Train: the most processors at once', maxVcpus, '', { min: 1, max: 10_000 })
    const { logGroup, data, role } = addJobParts(this, {
      data: props.data,
      dataPrefix: props.dataPrefix,
      dataFor: props.dataFor,
      roleDescription: 'Espalier: reads rows, publishes versions',
    })
    this.logGroup = logGroup
    this.data = data
    store.grantPublish(role)
    data.grantRead(role)
    const registry = store.registryUrl
    const shared = { vpc, role, timeout, logGroup, attempts: 3, retryOn: [] }
    const kinds = {
      cpu: {
        ...shared,
        image,
        hardware: 'cpu',
        vcpus: props.vcpus ?? 4,
        memoryMib: props.memoryMib ?? 16_384,
        settings: { registry, ...props.settings },
      },
      gpu: gpuImage && {
        ...shared,
        image: gpuImage,
        hardware: 'gpu' as const,
        vcpus: 4,
        memoryMib: 14_336,
        settings: { registry, device: 'cuda', precision: 'float16', ...props.settings },
      },
    } as const
    const definitions: Record<string, JobDefinition> = {}
    for (const [name, verb] of Object.entries(COMMANDS)) {
      const command = [verb, 'Ref::data', '--name', 'Ref::name', '--by', 'batch', '--quiet']
      definitions[name] = new JobDefinition(this, name, { ...kinds.cpu, command })
      if (kinds.gpu) {
        definitions[`Gpu${name}`] = new JobDefinition(this, `Gpu${name}`, { ...kinds.gpu, command })
      }
    }
    this.definitions = definitions
    const queue = { vpc, maxVcpus, spot: false } as const
    this.queues = [
      new JobQueue(this, 'Cpu', { ...queue, hardware: 'cpu' }),
      ...(gpuImage ? [new JobQueue(this, 'Gpu', { ...queue, hardware: 'gpu' })] : []),
    ]
    this.queueArns = this.queues.map(({ queue }) => queue.jobQueueArn)
  }

  /** Lets a principal submit jobs of every kind. */
  grantSubmit(grantee: IGrantable): void {
    for (const { definition } of Object.values(this.definitions)) {
      for (const { queue } of this.queues) definition.grantSubmitJob(grantee, queue)
    }
  }
}
