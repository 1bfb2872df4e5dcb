import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import type { Alarm, IMetric } from 'aws-cdk-lib/aws-cloudwatch'
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import {
  AlarmBehavior,
  AlternateTarget,
  Compatibility,
  CpuArchitecture,
  DeploymentStrategy,
  FargateService,
  LinuxParameters,
  ListenerRuleConfiguration,
  LogDrivers,
  NetworkMode,
  OperatingSystemFamily,
  Protocol,
  TaskDefinition,
  TmpfsMountOption,
} from 'aws-cdk-lib/aws-ecs'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { acknowledge } from './acknowledge.ts'
import { type ServiceSettings, toEnvironment } from './environment.ts'
import type { GpuCapacity } from './gpu-capacity.ts'
import type { HttpsFront } from './https-front.ts'
import type { KeySource } from './key-source.ts'
import type { ModelStore } from './model-store.ts'
import { outboundSubnets } from './network.ts'
import type { ServiceImage } from './service-image.ts'

/** How the service is made. */
export interface GpuServiceProps {
  readonly image: ServiceImage
  readonly store: ModelStore
  readonly capacity: GpuCapacity
  readonly front: HttpsFront
  /** Keys of callers; undefined where a gateway knows the callers, or nobody is to. */
  readonly keys: KeySource | undefined
  readonly settings: ServiceSettings
  /** Alarms that take a new version back: none of the service's own, which would wait for it. */
  readonly rollbackOn: readonly Alarm[]
}

/** One task has an instance for itself: four processors and 16 GiB, less what the system takes. */
const TASK = { cpu: 3072, memoryMiB: 12_288 } as const
/** The cache of models, all that is written: the image's own graphs are under its read-only root. */
const SCRATCH_MIB = 4096
const PORT = 8080

/** The server as a service of ECS on instances with a GPU; new versions get a tenth of the calls at first. */
export class GpuService extends Construct {
  readonly service: FargateService
  readonly logGroup: LogGroup

  constructor(scope: Construct, id: string, props: GpuServiceProps) {
    super(scope, id)
    const { capacity, front, rollbackOn } = props
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const { vpc } = capacity.cluster
    const tasks = new SecurityGroup(this, 'Tasks', {
      vpc,
      description: 'Espalier: tasks, reached by the load balancer alone',
    })
    this.service = new FargateService(this, 'Service', {
      cluster: capacity.cluster,
      taskDefinition: this.#task(props),
      capacityProviderStrategies: [
        { capacityProvider: capacity.provider.capacityProviderName, weight: 1 },
      ],
      securityGroups: [tasks],
      vpcSubnets: outboundSubnets(vpc),
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      // An image of gigabytes has to arrive and a graph to be loaded.
      healthCheckGracePeriod: Duration.minutes(10),
      deploymentStrategy: DeploymentStrategy.CANARY,
      canaryConfiguration: { stepPercent: 10, stepBakeTime: Duration.minutes(5) },
      bakeTime: Duration.minutes(5),
      circuitBreaker: { rollback: true },
      deploymentAlarms: {
        alarmNames: rollbackOn.map(({ alarmName }) => alarmName),
        behavior: AlarmBehavior.ROLLBACK_ON_ALARM,
      },
    })
    const target = this.service.loadBalancerTarget({
      containerName: 'espalier',
      containerPort: PORT,
      alternateTarget: new AlternateTarget('Alternate', {
        alternateTargetGroup: front.green,
        productionListener: ListenerRuleConfiguration.applicationListenerRule(front.rule),
      }),
    })
    target.attachToApplicationTargetGroup(front.blue)
    acknowledge(
      this,
      'ECS moves the traffic between two groups of targets with it, as narrow as AWS keeps it.',
      [
        'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers]',
      ],
    )
  }

  /** Processors in use, of those that the tasks asked for. */
  metricCpu(): IMetric {
    return this.service.metricCpuUtilization()
  }

  #task(props: GpuServiceProps): TaskDefinition {
    const { image, store, keys, settings } = props
    image.requireArchitecture('the service on GPUs', 'x86_64')
    const task = new TaskDefinition(this, 'Task', {
      compatibility: Compatibility.MANAGED_INSTANCES,
      networkMode: NetworkMode.AWS_VPC,
      cpu: String(TASK.cpu),
      memoryMiB: String(TASK.memoryMiB),
      runtimePlatform: {
        cpuArchitecture: CpuArchitecture.X86_64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
    })
    store.grantServe(task.taskRole)
    // Read by the task itself, again and again: a changed key needs no deployment.
    keys?.grantRead(task.taskRole)
    const linux = new LinuxParameters(this, 'Linux')
    // In memory: a folder of the machine would belong to root, and the image runs as somebody else.
    linux.addTmpfs({
      containerPath: '/tmp',
      size: SCRATCH_MIB,
      mountOptions: [TmpfsMountOption.RW, TmpfsMountOption.NOSUID, TmpfsMountOption.NODEV],
    })
    task.addContainer('espalier', {
      linuxParameters: linux,
      image: image.containerImage(this),
      gpuCount: 1,
      logging: LogDrivers.awsLogs({ logGroup: this.logGroup, streamPrefix: 'gpu' }),
      portMappings: [{ containerPort: PORT, protocol: Protocol.TCP }],
      readonlyRootFilesystem: true,
      // The service finishes what it has accepted within 25 seconds.
      stopTimeout: Duration.seconds(30),
      environment: toEnvironment({ ...gpuSettings(props), ...settings }),
    })
    acknowledge(
      task,
      'The environment has settings, and where keys of callers lie, which the task reads itself.',
      ['ECS2'],
    )
    acknowledge(task, 'The token for ECR has no resource that it could be narrowed to.', [
      'IAM5[Resource::*]',
    ])
    return task
  }
}

/** What a GPU and a load balancer in front mean for the service. */
function gpuSettings({ store, keys }: GpuServiceProps): ServiceSettings {
  return {
    host: '0.0.0.0',
    port: PORT,
    registry: store.registryUrl,
    device: 'cuda',
    precision: 'float16',
    // Longer than the load balancer keeps a connection.
    keepAliveTimeoutMs: 75_000,
    shutdownTimeoutMs: 25_000,
    // All callers come by the few addresses of the load balancer, which passes bodies on as they come.
    addressShare: 100,
    apiKeysFrom: keys?.arn,
    open: keys ? undefined : 1,
  }
}
