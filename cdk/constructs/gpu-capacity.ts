import { Names, Size, Stack } from 'aws-cdk-lib'
import {
  AcceleratorManufacturer,
  AcceleratorName,
  AcceleratorType,
  type IVpc,
  SecurityGroup,
} from 'aws-cdk-lib/aws-ec2'
import {
  CfnCapacityProvider,
  Cluster,
  ContainerInsights,
  ManagedInstancesCapacityProvider,
} from 'aws-cdk-lib/aws-ecs'
import type { CfnInstanceProfile, CfnRole } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { acknowledge } from './acknowledge.ts'
import { outboundSubnets } from './network.ts'

/** A GPU that a float16 encoder runs well on, by its name in EC2. */
export type GpuName = 'T4' | 'L4' | 'A10G' | 'L40S'

/** Which instances are taken. */
export interface GpuCapacityProps {
  readonly vpc: IVpc
  readonly gpus: readonly GpuName[]
  /** How long an instance without a task is kept, in whole seconds: it starts a task sooner than a new one. */
  readonly keepIdleSeconds: number
  /** Whether names of IAM say the region, so that several regions of an account each have their own. */
  readonly regionalNames: boolean
}

const ACCELERATORS: Readonly<Record<GpuName, AcceleratorName>> = {
  T4: AcceleratorName.T4,
  L4: AcceleratorName.L4,
  A10G: AcceleratorName.A10G,
  L40S: AcceleratorName.L40S,
}

/** A cluster whose instances ECS takes, patches and gives back by itself, each with one GPU. */
export class GpuCapacity extends Construct {
  readonly cluster: Cluster
  readonly provider: ManagedInstancesCapacityProvider

  constructor(scope: Construct, id: string, props: GpuCapacityProps) {
    super(scope, id)
    const { vpc } = props
    this.cluster = new Cluster(this, 'Cluster', {
      vpc,
      containerInsightsV2: ContainerInsights.ENABLED,
    })
    const instances = new SecurityGroup(this, 'Instances', {
      vpc,
      description: 'Espalier: GPU instances, which let nothing in',
    })
    this.provider = new ManagedInstancesCapacityProvider(this, 'Provider', {
      subnets: [...(outboundSubnets(vpc).subnets ?? [])],
      securityGroups: [instances],
      // Image, graphs and a cache of models.
      taskVolumeStorage: Size.gibibytes(80),
      instanceRequirements: {
        vCpuCountMin: 4,
        vCpuCountMax: 8,
        memoryMin: Size.gibibytes(16),
        acceleratorCountMin: 1,
        acceleratorCountMax: 1,
        acceleratorTypes: [AcceleratorType.GPU],
        acceleratorManufacturers: [AcceleratorManufacturer.NVIDIA],
        acceleratorNames: props.gpus.map((name) => ACCELERATORS[name]),
      },
    })
    this.cluster.addManagedInstancesCapacityProvider(this.provider)
    if (props.regionalNames) this.#nameByRegion()
    const resource = this.provider.node
      .findAll()
      .find((node) => node instanceof CfnCapacityProvider)
    resource?.addPropertyOverride(
      'ManagedInstancesProvider.InfrastructureOptimization.ScaleInAfter',
      props.keepIdleSeconds,
    )
    acknowledge(
      this,
      'ECS takes, tags and gives back instances with it; AWS keeps it as narrow as that.',
      [
        'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedInstances]',
      ],
    )
    const { region } = Stack.of(this)
    acknowledge(
      this,
      'The agent of ECS asks for its endpoint, and as an instance whose id is not known before.',
      [
        'IAM5[Resource::*]',
        `IAM5[Resource::arn:aws:ecs:${region}:<AWS::AccountId>:container-instance/*]`,
      ],
    )
  }

  /** Names of IAM are of the whole account. AWS's policy passes roles on whose names begin like this one. */
  #nameByRegion(): void {
    const { region } = Stack.of(this)
    const prefix = `ecsInstanceRole-${region}-`
    const rest = Names.uniqueResourceName(this, { maxLength: 64 - prefix.length })
    const resource = (id: string) => this.provider.node.findChild(id).node.defaultChild
    ;(resource('InstanceRole') as CfnRole).roleName = prefix + rest
    ;(resource('InstanceProfile') as CfnInstanceProfile).instanceProfileName = prefix + rest
  }
}
