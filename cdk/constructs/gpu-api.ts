import { Duration } from 'aws-cdk-lib'
import { type IMetric, MathExpression } from 'aws-cdk-lib/aws-cloudwatch'
import type { IPeer, IVpc } from 'aws-cdk-lib/aws-ec2'
import {
  type ApplicationTargetGroup,
  HttpCodeElb,
  HttpCodeTarget,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { checkAccess, type JwtAccess } from './access.ts'
import type { CpuApi } from './cpu-api.ts'
import type { DomainProps } from './domain.ts'
import type { EndpointAlarm, MonitoredEndpoint } from './endpoint.ts'
import type { ServiceSettings } from './environment.ts'
import { GpuCapacity, type GpuName } from './gpu-capacity.ts'
import { checkFallback } from './gpu-fallback.ts'
import { GpuService } from './gpu-service.ts'
import { HttpsFront, type HttpsFrontProps } from './https-front.ts'
import { type IdlePolicy, IdleScaling } from './idle-policy.ts'
import { KeySource } from './key-source.ts'
import type { ModelStore } from './model-store.ts'
import { checkQuota } from './quotas.ts'
import { groupGuards } from './rollback-guards.ts'
import type { ServiceImage } from './service-image.ts'
import { targetSum } from './target-metrics.ts'
import { WakeSwitch } from './wake-switch.ts'

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
   * Callers with keys of `espalier keys create`, which a task reads again within a minute of a change.
   * @default none
   */
  readonly apiKeys?: ISecret | KeySource
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
   * An endpoint on Lambda that answers while there is no healthy task, with vectors of its own fingerprint; requests that demand
   * one are told to wait. It has to know the same callers.
   * @default calls get 503 and the time to wait
   */
  readonly fallback?: CpuApi
  /**
   * Requests in flight for each task that scaling aims at.
   * @default 64: an eighth of what a task takes before it turns requests away, and many times what a GPU has that keeps up
   */
  readonly requestsInFlight?: number
  /**
   * Whether the role of the instances is named by the region, so that other regions of the account can have the same
   * stack. Changed on a deployed stack, it takes the role away from running instances.
   * @default false, the name of earlier versions
   */
  readonly regionalNames?: boolean
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
    const { image, store, vpc, jwt, apiKeys, open = false, maxTasks = 2, fallback } = props
    checkAccess('GpuApi', { jwt: jwt !== undefined, apiKeys: apiKeys !== undefined, open }, jwt)
    const keys = apiKeys && (apiKeys instanceof KeySource ? apiKeys : KeySource.fromSecret(apiKeys))
    if (fallback) checkFallback({ jwt, keys, open }, fallback)
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
      asleep: this.#asleep(fallback, keys !== undefined),
    })
    const capacity = new GpuCapacity(this, 'Capacity', {
      vpc,
      gpus: props.gpus ?? ['T4', 'L4', 'A10G'],
      keepIdleSeconds,
      regionalNames: props.regionalNames ?? false,
    })
    this.service = new GpuService(this, 'Service', {
      image,
      store,
      capacity,
      keys,
      front: this.front,
      settings: props.settings ?? {},
      rollbackOn: groupGuards(
        this,
        { Blue: this.front.blue, Green: this.front.green },
        this.#slowAfter,
      ),
    })
    this.scaling = new IdleScaling(this, 'Scaling', {
      service: this.service.service,
      front: this.front,
      policy: this.#idle,
      maxTasks,
      requestsInFlight: props.requestsInFlight ?? 64,
    })
    const { rule, blue, green, asleep } = this.front
    if (asleep) {
      const { service } = this.service
      new WakeSwitch(this, 'Switch', { rule, groups: [blue, green], service })
    }
    this.url = this.front.url
    this.logGroup = this.service.logGroup
  }

  /** Who answers while there is no task, if anybody does but the load balancer's own 503. */
  #asleep(fallback: CpuApi | undefined, hasKeys: boolean): HttpsFrontProps['asleep'] {
    const wakes = this.#idle.kind === 'quiet'
    if (!wakes && fallback === undefined) return undefined
    return { hasKeys, wakes, fallback: fallback?.service.alias }
  }

  metricRequests(): IMetric {
    return this.front.loadBalancer.metrics.requestCount({ statistic: 'Sum' })
  }

  /** Answers of tasks with 5xx; who answers while there is none has its own. */
  metricErrors(): IMetric {
    const { loadBalancer, blue, green } = this.front
    const of = (group: ApplicationTargetGroup) =>
      targetSum(loadBalancer, group, HttpCodeTarget.TARGET_5XX_COUNT)
    return new MathExpression({
      expression: 'FILL(blue, 0) + FILL(green, 0)',
      usingMetrics: { blue: of(blue), green: of(green) },
      label: 'answers with 5xx',
    })
  }

  metricLatency(): IMetric {
    return this.front.loadBalancer.metrics.targetResponseTime({ statistic: 'p99' })
  }

  /** Calls that came while there was no task but should have been one. */
  metricRefused(): IMetric {
    const { loadBalancer, asleep } = this.front
    const sums = { statistic: 'Sum' }
    const refused = loadBalancer.metrics.httpCodeElb(HttpCodeElb.ELB_503_COUNT, sums)
    // Out of hours others are to answer.
    if (!asleep?.waking) return refused
    const metrics = { refused, ...asleep.metricCalls() }
    return new MathExpression({
      expression: Object.keys(metrics)
        .map((id) => `FILL(${id}, 0)`)
        .join(' + '),
      usingMetrics: metrics,
      label: 'calls without a task',
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
}

/** "InfrastructureOptimization" of the capacity provider; less and it is not kept at all. */
const KEEP_SECONDS = { min: 0, max: 3600 } as const
