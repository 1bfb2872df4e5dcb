import { Annotations, type Duration, RemovalPolicy, Size } from 'aws-cdk-lib'
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import type { IVpc } from 'aws-cdk-lib/aws-ec2'
import { type IRole, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import {
  Alias,
  type CfnFunction,
  DockerImageFunction,
  Architecture as LambdaArchitecture,
  SnapStartConf,
} from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { acknowledge } from './acknowledge.ts'
import { type ServiceSettings, toEnvironment } from './environment.ts'
import type { KeySource } from './key-source.ts'
import type { ModelStore } from './model-store.ts'
import { outboundSubnets } from './network.ts'
import {
  checkQuota,
  checkSeconds,
  LAMBDA_BINARY_BODY_BYTES,
  LAMBDA_MEMORY_MIB,
  LAMBDA_PAYLOAD_BYTES,
  LAMBDA_TIMEOUT_S,
  MIB_PER_VCPU,
} from './quotas.ts'
import type { Architecture, ServiceImage } from './service-image.ts'

/** How the function is made. */
export interface CpuFunctionProps {
  readonly image: ServiceImage
  readonly store: ModelStore
  readonly architecture: Architecture
  /** Whole MiB; every 1,769 are a vCPU and a worker thread. */
  readonly memoryMib: number
  readonly timeout: Duration
  /** Most copies that run at once; undefined for the account's own limit. */
  readonly maxConcurrency: number | undefined
  /** Copies that stay started; undefined for none. */
  readonly provisioned: number | undefined
  readonly vpc: IVpc | undefined
  /** Keys of callers that the service checks; undefined where the gateway knows them, or nobody is to. */
  readonly keys: KeySource | undefined
  /** Whether copies start from a snapshot of a started server, which AWS charges for by the hour. */
  readonly snapStart: boolean
  readonly settings: ServiceSettings
}

/** What the adapter in the image is told: see the reference of the Lambda Web Adapter. */
const ADAPTER = {
  AWS_LWA_READINESS_CHECK_PATH: '/readyz',
  AWS_LWA_INVOKE_MODE: 'buffered',
} as const
/** More than any account has. */
const MOST_COPIES = 100_000
/** Room in a payload for headers, the event's own fields, and quotes that are escaped once more. */
const ENVELOPE_BYTES = 1024 * 1024

/** The server as a Lambda function from its image, under the alias `live`. */
export class CpuFunction extends Construct {
  readonly function: DockerImageFunction
  readonly alias: Alias
  readonly role: IRole
  readonly logGroup: LogGroup

  constructor(scope: Construct, id: string, props: CpuFunctionProps) {
    super(scope, id)
    const { memoryMib, timeout, maxConcurrency, provisioned, vpc, keys, snapStart } = props
    checkProvisioned(provisioned, snapStart, maxConcurrency)
    props.image.requireArchitecture('the function', props.architecture)
    checkQuota('the memory of the function', memoryMib, 'MiB', LAMBDA_MEMORY_MIB)
    checkSeconds(
      'the timeout of the function, behind an API that waits 30 seconds,',
      timeout,
      LAMBDA_TIMEOUT_S,
    )
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: 'Espalier on Lambda: reads models, writes its log',
    })
    this.role = role
    this.logGroup.grantWrite(role)
    props.store.grantServe(role)
    keys?.grantRead(role)
    if (vpc) allowInterfaces(role)
    this.function = new DockerImageFunction(this, 'Function', {
      description: 'Espalier: embeddings and classifiers',
      code: props.image.lambdaCode(this),
      architecture:
        props.architecture === 'arm64' ? LambdaArchitecture.ARM_64 : LambdaArchitecture.X86_64,
      memorySize: memoryMib,
      // More than this and there is no snapshot.
      ephemeralStorageSize: Size.mebibytes(512),
      timeout,
      role,
      logGroup: this.logGroup,
      snapStart: snapStart ? SnapStartConf.ON_PUBLISHED_VERSIONS : undefined,
      reservedConcurrentExecutions: maxConcurrency,
      ...(vpc ? { vpc, vpcSubnets: outboundSubnets(vpc) } : {}),
      environment: {
        ...ADAPTER,
        ...toEnvironment({ ...lambdaSettings(props), ...props.settings }),
      },
    })
    if (snapStart) {
      // It is the alias that has one.
      const warning = '@aws-cdk/aws-lambda:snapStartRequirePublish'
      Annotations.of(this.function).acknowledgeWarning(warning)
    } else {
      // Said aloud: a function that had snapshots keeps them where the property is only left out.
      const resource = this.function.node.defaultChild as CfnFunction
      resource.snapStart = { applyOn: 'None' }
    }
    this.alias = new Alias(this, 'Live', {
      aliasName: 'live',
      version: this.function.currentVersion,
      provisionedConcurrentExecutions: provisioned,
    })
  }

  metricErrors(options?: MetricOptions): Metric {
    return this.alias.metricErrors({ statistic: 'Sum', ...options })
  }

  metricThrottles(options?: MetricOptions): Metric {
    return this.alias.metricThrottles({ statistic: 'Sum', ...options })
  }

  metricDuration(options?: MetricOptions): Metric {
    return this.alias.metricDuration({ statistic: 'p99', ...options })
  }
}

/** @throws SettingError for copies that Lambda would refuse to keep */
function checkProvisioned(
  provisioned: number | undefined,
  snapStart: boolean,
  maxConcurrency = MOST_COPIES,
): void {
  if (provisioned === undefined) return
  if (snapStart) {
    throw new SettingError(
      'CpuApi: copies are to stay started (provisioned) and to start from a snapshot (snapstart); Lambda does one of the two, leave one out',
    )
  }
  const bounds = { min: 1, max: maxConcurrency }
  checkQuota('CpuApi: the number of copies that stay started', provisioned, '', bounds)
}

/** What Lambda's limits mean for the service. */
function lambdaSettings({ store, memoryMib, timeout, keys }: CpuFunctionProps): ServiceSettings {
  const bytes = memoryMib * 1024 * 1024
  return {
    // The adapter is in the same sandbox; nobody else reaches it.
    host: '127.0.0.1',
    port: 8080,
    registry: store.registryUrl,
    // Timers stand still between requests.
    follow: 'request',
    workers: Math.max(1, Math.floor(memoryMib / MIB_PER_VCPU)),
    modelsBytes: Math.floor(bytes / 2),
    headsBytes: Math.floor(bytes / 8),
    maxInputs: 256,
    maxBodyBytes: LAMBDA_PAYLOAD_BYTES - ENVELOPE_BYTES,
    // A larger image never arrives: the gateway itself refuses its base64.
    maxImageBytes: LAMBDA_BINARY_BODY_BYTES,
    // Each copy would count its own requests, and a scrape reaches any one of them.
    metrics: 'off',
    apiKeysFrom: keys?.arn,
    // Beyond it the caller is gone.
    queueTimeoutMs: timeout.toMilliseconds() - 2000,
    requestTimeoutMs: timeout.toMilliseconds(),
    // Lambda gives two seconds.
    shutdownTimeoutMs: 1500,
  }
}

function allowInterfaces(role: Role): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: [
        'ec2:CreateNetworkInterface',
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSubnets',
        'ec2:DeleteNetworkInterface',
        'ec2:AssignPrivateIpAddresses',
        'ec2:UnassignPrivateIpAddresses',
      ],
      resources: ['*'],
    }),
  )
  acknowledge(role, 'Interfaces of a function in a network have no names before they are made.', [
    'IAM5[Resource::*]',
  ])
}
