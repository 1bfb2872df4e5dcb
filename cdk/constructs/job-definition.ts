import { type Duration, Size } from 'aws-cdk-lib'
import {
  Action,
  EcsEc2ContainerDefinition,
  EcsFargateContainerDefinition,
  EcsJobDefinition,
  Reason,
  RetryStrategy,
} from 'aws-cdk-lib/aws-batch'
import type { IVpc } from 'aws-cdk-lib/aws-ec2'
import { CpuArchitecture, LogDrivers } from 'aws-cdk-lib/aws-ecs'
import type { IRole } from 'aws-cdk-lib/aws-iam'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { acknowledge } from './acknowledge.ts'
import { type ServiceSettings, toEnvironment } from './environment.ts'
import { needsPublicAddress } from './network.ts'
import { checkFargateSize } from './quotas.ts'
import type { ServiceImage } from './service-image.ts'

/** How a kind of job is made. */
export interface JobDefinitionProps {
  /** A job on Fargate gets the processor of its image; one on GPUs has x86_64. */
  readonly image: ServiceImage
  readonly hardware: 'cpu' | 'gpu'
  /** Arguments of `espalier`; `Ref::name` is replaced by the parameter of that name. */
  readonly command: readonly string[]
  readonly role: IRole
  readonly vpc: IVpc
  readonly logGroup: ILogGroup
  readonly vcpus: number
  readonly memoryMib: number
  readonly timeout: Duration
  readonly settings: ServiceSettings
  /** Starts of a job, the first included. */
  readonly attempts: number
  /** Exit codes after which a job is started again. */
  readonly retryOn: readonly number[]
}

/** A kind of job: one command of `espalier` in the same image that serves. */
export class JobDefinition extends Construct {
  readonly definition: EcsJobDefinition

  constructor(scope: Construct, id: string, props: JobDefinitionProps) {
    super(scope, id)
    const { hardware, role, logGroup, vcpus, memoryMib } = props
    if (hardware === 'gpu') props.image.requireArchitecture(`the job ${id}, on GPUs,`, 'x86_64')
    const container = {
      image: props.image.containerImage(this),
      command: [...props.command],
      cpu: vcpus,
      memory: Size.mebibytes(memoryMib),
      jobRole: role,
      logging: LogDrivers.awsLogs({ logGroup, streamPrefix: id.toLowerCase() }),
      environment: toEnvironment(props.settings),
    }
    if (hardware === 'cpu') checkFargateSize(`the job ${id}`, vcpus, memoryMib)
    this.definition = new EcsJobDefinition(this, 'Job', {
      container:
        hardware === 'cpu'
          ? this.#onFargate(container, props)
          : new EcsEc2ContainerDefinition(this, 'Container', { ...container, gpu: 1 }),
      timeout: props.timeout,
      retryAttempts: props.attempts,
      retryStrategies: [
        RetryStrategy.of(Action.RETRY, Reason.SPOT_INSTANCE_RECLAIMED),
        RetryStrategy.of(Action.RETRY, Reason.CANNOT_PULL_CONTAINER),
        ...props.retryOn.map((code) =>
          RetryStrategy.of(Action.RETRY, Reason.custom({ onExitCode: String(code) })),
        ),
        // What the command itself refused is refused again.
        RetryStrategy.of(Action.EXIT, Reason.custom({ onExitCode: '*' })),
      ],
    })
    acknowledge(this, 'The token for ECR has no resource that it could be narrowed to.', [
      'IAM5[Resource::*]',
    ])
  }

  #onFargate(
    container: ConstructorParameters<typeof EcsFargateContainerDefinition>[2],
    { vpc, image }: JobDefinitionProps,
  ): EcsFargateContainerDefinition {
    return new EcsFargateContainerDefinition(this, 'Container', {
      ...container,
      assignPublicIp: needsPublicAddress(vpc),
      ephemeralStorageSize: Size.gibibytes(50),
      fargateCpuArchitecture:
        image.architecture === 'arm64' ? CpuArchitecture.ARM64 : CpuArchitecture.X86_64,
    })
  }
}
