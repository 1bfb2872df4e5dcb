import { Duration, Stack } from 'aws-cdk-lib'
import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch'
import { LambdaDeploymentConfig, LambdaDeploymentGroup } from 'aws-cdk-lib/aws-codedeploy'
import type { IInterfaceVpcEndpoint, IVpc } from 'aws-cdk-lib/aws-ec2'
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { type AccessProps, checkAccess } from './access.ts'
import { acknowledge } from './acknowledge.ts'
import { CpuFunction } from './cpu-function.ts'
import type { DomainProps } from './domain.ts'
import type { EndpointAlarm, MonitoredEndpoint } from './endpoint.ts'
import type { ServiceSettings } from './environment.ts'
import { tooManyErrors } from './error-share.ts'
import { HttpFront, type Throttle } from './http-front.ts'
import type { ModelStore } from './model-store.ts'
import { PrivateFront } from './private-front.ts'
import { MIB_PER_VCPU } from './quotas.ts'
import { rollbackGuard } from './rollback-guards.ts'
import type { Architecture, ServiceImage } from './service-image.ts'

/** How an endpoint on Lambda is made. */
export interface CpuApiProps extends AccessProps {
  readonly image: ServiceImage
  /** Where its models come from. */
  readonly store: ModelStore
  /**
   * The kind of processor, which must be that of the image.
   * @default that of the image
   */
  readonly architecture?: Architecture
  /**
   * Memory of one copy in whole MiB; every 1,769 are a vCPU and a worker thread.
   * @default 3538, two vCPUs
   */
  readonly memoryMib?: number
  /**
   * Longest time to answer, in whole seconds.
   * @default 29 seconds
   */
  readonly timeout?: Duration
  /**
   * Most copies that run at once, which the account then keeps for it.
   * @default the account's own limit
   */
  readonly maxConcurrency?: number
  /**
   * Copies that stay started, each paid by the hour; not together with `snapStart`.
   * @default none
   */
  readonly provisioned?: number
  /**
   * Whether new copies start from a snapshot of a started server (SnapStart): sooner, and charged by memory for every
   * hour that a version is active.
   * @default false
   */
  readonly snapStart?: boolean
  /**
   * What the gateway lets through.
   * @default 50 requests a second, and 100 at once
   */
  readonly throttle?: Throttle
  /**
   * A name of your own.
   * @default the name that API Gateway gives
   */
  readonly domain?: DomainProps
  /**
   * The endpoint of a network for `execute-api`, through which alone the API is reached; goes with `iam`.
   * @default the API is public
   */
  readonly privateThrough?: IInterfaceVpcEndpoint
  /**
   * A network for the function itself, with a way to S3, and to Secrets Manager or SSM where callers have keys.
   * @default none
   */
  readonly vpc?: IVpc
  /**
   * The 99th percentile of the time to answer above which a new version is taken back.
   * @default 5 seconds
   */
  readonly slowAfter?: Duration
  /**
   * Further settings of the service.
   * @default none
   */
  readonly settings?: ServiceSettings
}

/** An HTTPS endpoint on Lambda, without a machine while nobody calls; new versions get a tenth of the calls at first. */
export class CpuApi extends Construct implements MonitoredEndpoint {
  readonly endpointName = 'CpuApi'
  readonly url: string
  readonly logGroup: ILogGroup
  readonly service: CpuFunction
  /** Who may call it. */
  readonly access: AccessProps
  readonly #front: HttpFront | PrivateFront
  readonly #slowAfter: Duration

  constructor(scope: Construct, id: string, props: CpuApiProps) {
    super(scope, id)
    const { image, store, vpc, privateThrough, jwt, keys, iam = false, open = false } = props
    const ways = { jwt: jwt !== undefined, iam, keys: keys !== undefined, open }
    checkAccess('CpuApi', ways, jwt)
    this.access = { jwt, keys, iam, open }
    if (privateThrough && !iam) {
      throw new SettingError(
        'CpuApi: a private API knows its callers by their AWS credentials only; choose iam',
      )
    }
    if (privateThrough && props.domain) {
      throw new SettingError('CpuApi: a private API has no name of its own; leave the domain out')
    }
    const { timeout = Duration.seconds(29), throttle = { rate: 50, burst: 100 } } = props
    this.#slowAfter = props.slowAfter ?? Duration.seconds(5)
    this.service = new CpuFunction(this, 'Service', {
      image,
      store,
      vpc,
      timeout,
      architecture: props.architecture ?? image.architecture,
      memoryMib: props.memoryMib ?? 2 * MIB_PER_VCPU,
      maxConcurrency: props.maxConcurrency,
      provisioned: props.provisioned,
      keys,
      snapStart: props.snapStart ?? false,
      settings: props.settings ?? {},
    })
    this.logGroup = this.service.logGroup
    const common = { apiName: nameOf(this), alias: this.service.alias, throttle, timeout }
    this.#front = privateThrough
      ? new PrivateFront(this, 'Front', { ...common, vpcEndpoint: privateThrough })
      : new HttpFront(this, 'Front', { ...common, access: props, domain: props.domain })
    this.url = this.#front.url
    this.#deployGradually()
  }

  /** Lets a principal call the endpoint with its AWS credentials; for access by `iam`. */
  grantInvoke(grantee: IGrantable): Grant {
    return this.#front.grantInvoke(grantee)
  }

  metricRequests(): IMetric {
    return this.#front.metricRequests()
  }

  metricErrors(): IMetric {
    return this.#front.metricServerErrors()
  }

  metricLatency(): IMetric {
    return this.#front.metricLatency()
  }

  /** Requests turned away because as many copies run as may. */
  metricThrottles(): IMetric {
    return this.service.metricThrottles()
  }

  alarms(): readonly EndpointAlarm[] {
    return [
      {
        id: 'Errors',
        metric: this.metricErrors(),
        threshold: 0,
        description: 'The API answers with 5xx: see the log of the function',
      },
      {
        id: 'Crashes',
        metric: this.service.metricErrors(),
        threshold: 0,
        description: 'The function crashes or runs out of time',
      },
      {
        id: 'Throttles',
        metric: this.metricThrottles(),
        threshold: 0,
        description: 'More copies are asked for than may run: raise the concurrency',
      },
      {
        id: 'Latency',
        metric: this.metricLatency(),
        threshold: this.#slowAfter.toMilliseconds(),
        description: 'One answer in a hundred takes too long',
        periods: 3,
      },
    ]
  }

  #deployGradually(): void {
    const period = Duration.minutes(1)
    const errors = this.#front.metricServerErrors({ period })
    const requests = this.#front.metricRequests({ period })
    const group = new LambdaDeploymentGroup(this, 'Deployment', {
      alias: this.service.alias,
      deploymentConfig: LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES,
      alarms: [
        rollbackGuard(this, 'Errors', tooManyErrors(errors, requests), 0),
        // One is enough: no request can end the process, and the service answers before time runs out.
        rollbackGuard(this, 'Crashes', this.service.metricErrors({ period }), 0),
        rollbackGuard(
          this,
          'Latency',
          this.service.metricDuration({ period }),
          this.#slowAfter.toMilliseconds(),
        ),
      ],
    })
    acknowledge(
      group,
      'AWS keeps this policy as narrow as its service needs: it moves one alias.',
      [
        'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited]',
      ],
    )
  }
}

/** The name in the console: the stack's, which says the environment, as in `Espalier-CpuApi`. */
function nameOf(endpoint: Construct): string {
  const { id } = endpoint.node
  const { stackName } = Stack.of(endpoint)
  return stackName.endsWith(id) && stackName !== id
    ? `${stackName.slice(0, -id.length).replace(/-$/, '')}-${id}`
    : `${stackName}-${id}`
}
