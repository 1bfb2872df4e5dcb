import { Size } from 'aws-cdk-lib'
import {
  AllocationStrategy,
  JobQueue as BatchJobQueue,
  type CfnComputeEnvironment,
  EcsMachineImageType,
  FargateComputeEnvironment,
  ManagedEc2EcsComputeEnvironment,
} from 'aws-cdk-lib/aws-batch'
import {
  BlockDeviceVolume,
  EbsDeviceVolumeType,
  InstanceType,
  type IVpc,
  LaunchTemplate,
  LaunchTemplateHttpTokens,
  SecurityGroup,
} from 'aws-cdk-lib/aws-ec2'
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { acknowledge } from './acknowledge.ts'
import { outboundSubnets } from './network.ts'

/** How a queue is made. */
export interface JobQueueProps {
  readonly vpc: IVpc
  /** Fargate for processors, instances for GPUs: Fargate has none. */
  readonly hardware: 'cpu' | 'gpu'
  /** Whether capacity may be taken back at any time, for a third of the price. */
  readonly spot: boolean
  /** Most processors at once, which bounds what a mistake can cost. */
  readonly maxVcpus: number
}

/** One GPU each, with the drivers of their kind in the machine image. */
const GPU_INSTANCES = ['g4dn.xlarge', 'g5.xlarge', 'g6.xlarge'] as const

/** A queue of jobs over machines that are there while jobs are. */
export class JobQueue extends Construct {
  readonly queue: BatchJobQueue

  constructor(scope: Construct, id: string, props: JobQueueProps) {
    super(scope, id)
    const { vpc, spot, maxVcpus } = props
    const shared = {
      vpc,
      vpcSubnets: outboundSubnets(vpc),
      securityGroups: [
        new SecurityGroup(this, 'Jobs', {
          vpc,
          description: 'Espalier: jobs, which let nothing in',
        }),
      ],
      // Not in the template: see below.
      serviceRole: Role.fromRoleName(this, 'LinkedRole', 'AWSServiceRoleForBatch'),
      spot,
      maxvCpus: maxVcpus,
    }
    const launchTemplate = props.hardware === 'gpu' ? this.#launchTemplate() : undefined
    const computeEnvironment =
      props.hardware === 'cpu'
        ? new FargateComputeEnvironment(this, 'FargateMachines', shared)
        : new ManagedEc2EcsComputeEnvironment(this, 'InstanceMachines', {
            ...shared,
            minvCpus: 0,
            useOptimalInstanceClasses: false,
            instanceTypes: GPU_INSTANCES.map((name) => new InstanceType(name)),
            images: [{ imageType: EcsMachineImageType.ECS_AL2023_NVIDIA }],
            allocationStrategy: spot
              ? AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
              : AllocationStrategy.BEST_FIT_PROGRESSIVE,
            instanceRole: this.#instanceRole(),
            launchTemplate,
            updateToLatestImageVersion: true,
          })
    // Batch can update machines, subnets and images of an environment only under the role that it makes for itself.
    const resource = computeEnvironment.node.defaultChild as CfnComputeEnvironment
    resource.addPropertyDeletionOverride('ServiceRole')
    if (launchTemplate) {
      const version = launchTemplate.latestVersionNumber
      resource.addPropertyOverride('ComputeResources.LaunchTemplate.Version', version)
    }
    this.queue = new BatchJobQueue(this, 'Queue', {
      computeEnvironments: [{ computeEnvironment, order: 1 }],
    })
  }

  #instanceRole(): Role {
    const role = new Role(this, 'InstanceRole', {
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [
        ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonEC2ContainerServiceforEC2Role'),
      ],
    })
    acknowledge(role, 'The agent of ECS joins a cluster that Batch makes and names.', [
      'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role]',
    ])
    return role
  }

  #launchTemplate(): LaunchTemplate {
    return new LaunchTemplate(this, 'Launch', {
      httpTokens: LaunchTemplateHttpTokens.REQUIRED,
      // A task in a container of its own is one hop further.
      httpPutResponseHopLimit: 2,
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: BlockDeviceVolume.ebs(Size.gibibytes(100).toGibibytes(), {
            volumeType: EbsDeviceVolumeType.GP3,
            encrypted: true,
            deleteOnTermination: true,
          }),
        },
      ],
    })
  }
}
