import { Duration } from 'aws-cdk-lib'
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import type { IPeer, IVpc } from 'aws-cdk-lib/aws-ec2'
import { HttpCodeElb, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { checkAccess, type JwtAccess } from './access.ts'
import type { DomainProps } from './domain.ts'
import type { EndpointAlarm, MonitoredEndpoint } from './endpoint.ts'
import type { ServiceSettings } from './environment.ts'
import { GpuCapacity, type GpuName } from './gpu-capacity.ts'
import { GpuService } from './gpu-service.ts'
import { HttpsFront } from './https-front.ts'
import { type IdlePolicy, IdleScaling } from './idle-policy.ts'
import type { ModelStore } from './model-store.ts'
import { checkQuota } from './quotas.ts'
import type { ServiceImage } from './service-image.ts'

/** How an endpoint on GPUs is made. Exactly one of `jwt`, `apiKeys` and `open` says who may call. */
export interface GpuApiProps {
  /** The image's target `gpu`. */
  readonly image: ServiceImage
  /** Where its models come from. */
  readonly store: ModelStore
  readonly vpc: IVpc
  /** The name that callers use, and its certificate: the endpoint speaks HTTPS only. */
  readonly domain: DomainProps
  /**
   * Callers with tokens of an issuer, which the load balancer checks.
   * @default none
   */
  readonly jwt?: JwtAccess
  /**
   * Callers with keys: a secret with the lines of `espalier keys create`, commas between them.
   * @default none
   */
  readonly apiKeys?: ISecret
  /**
   * Everybody.
   * @default false
   */
  readonly open?: boolean
  /**
   * Whether the endpoint is reached from within the network only.
   * @default false
   */
  readonly isPrivate?: boolean
  /**
   * Who reaches it at all.
   * @default everybody, or the network where it is private
   */
  readonly allowFrom?: readonly IPeer[]
  /**
   * When there is no task, and so no GPU to pay for.
   * @default after an hour without calls
   */
  readonly idle?: IdlePolicy
  /**
   * Most tasks at once, each with an instance of its own; a deployment takes as many again.
   * @default 2
   */
  readonly maxTasks?: number
  /**
   * GPUs that will do.
   * @default T4, L4 and A10G
   */
  readonly gpus?: readonly GpuName[]
  /**
   * How long an instance without a task is kept, up to an hour.
   * @default 5 minutes
   */
  readonly keepInstanceFor?: Duration
  /**
   * The 99th percentile of the time to answer above which a new version is taken back.
   * @default 2 seconds
   */
  readonly slowAfter?: Duration
  /**
   * Further settings of the service.
   * @default none
   */
  readonly settings?: ServiceSettings
}

/** An HTTPS endpoint on instances with GPUs, which are there while somebody calls. */
export class GpuApi extends Construct implements MonitoredEndpoint {
  readonly endpointName = 'GpuApi'
  readonly url: string
  readonly logGroup: ILogGroup
  readonly front: HttpsFront
  readonly service: GpuService
  readonly scaling: IdleScaling
  readonly #slowAfter: Duration
  readonly #idle: IdlePolicy

  constructor(scope: Construct, id: string, props: GpuApiProps) {
    super(scope, id)
    const { image, store, vpc, jwt, apiKeys, open = false, maxTasks = 2 } = props
    checkAccess('GpuApi', { jwt: jwt !== undefined, apiKeys: apiKeys !== undefined, open }, jwt)
    checkQuota('GpuApi: the most tasks at once', maxTasks, '', { min: 1, max: 100 })
    const keepIdleSeconds = (props.keepInstanceFor ?? Duration.minutes(5)).toSeconds()
    checkQuota('GpuApi: the time to keep an instance', keepIdleSeconds, 'seconds', KEEP_SECONDS)
    this.#slowAfter = props.slowAfter ?? Duration.seconds(2)
    this.#idle = props.idle ?? { kind: 'quiet', after: Duration.hours(1) }
    this.front = new HttpsFront(this, 'Front', {
      vpc,
      domain: props.domain,
      isPrivate: props.isPrivate ?? false,
      allowFrom: props.allowFrom ?? [],
      jwt,
    })
    const capacity = new GpuCapacity(this, 'Capacity', {
      vpc,
      gpus: props.gpus ?? ['T4', 'L4', 'A10G'],
      keepIdleSeconds,
    })
    this.service = new GpuService(this, 'Service', {
      image,
      store,
      capacity,
      apiKeys,
      front: this.front,
      settings: props.settings ?? {},
      rollbackOn: this.#guards(),
    })
    this.scaling = new IdleScaling(this, 'Scaling', {
      service: this.service.service,
      loadBalancer: this.front.loadBalancer,
      policy: this.#idle,
      maxTasks,
    })
    this.url = this.front.url
    this.logGroup = this.service.logGroup
  }

  metricRequests(): IMetric {
    return this.front.loadBalancer.metrics.requestCount({ statistic: 'Sum' })
  }

  metricErrors(): IMetric {
    return this.front.loadBalancer.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, {
      statistic: 'Sum',
    })
  }

  metricLatency(): IMetric {
    return this.front.loadBalancer.metrics.targetResponseTime({ statistic: 'p99' })
  }

  /** Calls that came while there was no task. */
  metricRefused(): IMetric {
    return this.front.loadBalancer.metrics.httpCodeElb(HttpCodeElb.ELB_503_COUNT, {
      statistic: 'Sum',
    })
  }

  alarms(): readonly EndpointAlarm[] {
    return [
      {
        id: 'Errors',
        metric: this.metricErrors(),
        threshold: 0,
        description: 'The service answers with 5xx: see its log',
      },
      {
        id: 'Refused',
        metric: this.metricRefused(),
        threshold: 0,
        description: 'Calls find no task: there is no instance to be had, or a task does not start',
        // What sleeps takes minutes to wake.
        periods: this.#idle.kind === 'never' ? 1 : 4,
      },
      {
        id: 'Latency',
        metric: this.metricLatency(),
        threshold: this.#slowAfter.toMilliseconds() / 1000,
        description: 'One answer in a hundred takes too long',
        periods: 3,
      },
    ]
  }

  /** Alarms of both groups of targets: the new version is in the one or the other. */
  #guards(): Alarm[] {
    const groups = { Blue: this.front.blue, Green: this.front.green }
    const period = Duration.minutes(1)
    return Object.entries(groups).flatMap(([color, { metrics }]) => [
      this.#guard(
        `${color}Errors`,
        metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, { period, statistic: 'Sum' }),
        0,
      ),
      this.#guard(
        `${color}Latency`,
        metrics.targetResponseTime({ period, statistic: 'p99' }),
        this.#slowAfter.toMilliseconds() / 1000,
      ),
    ])
  }

  #guard(id: string, metric: IMetric, threshold: number): Alarm {
    return new Alarm(this, `Rollback${id}`, {
      metric,
      threshold,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: `Takes a new version back: ${id}`,
    })
  }
}

/** "InfrastructureOptimization" of the capacity provider; less and it is not kept at all. */
const KEEP_SECONDS = { min: 0, max: 3600 } as const
