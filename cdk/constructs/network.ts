import { RemovalPolicy } from 'aws-cdk-lib'
import {
  FlowLogDestination,
  GatewayVpcEndpointAwsService,
  type IVpc,
  type SubnetSelection,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

/** How a network is made. */
export interface NetworkProps {
  /**
   * Gateways through which private subnets reach out, each paid by the hour; with none, there are public subnets only,
   * and what runs there gets addresses of its own, with security groups that let nothing in.
   * @default 0
   */
  readonly natGateways?: number
}

/** A network for containers, in two zones, with a way to S3 that costs nothing and a log of its flows. */
export class Network extends Construct {
  readonly vpc: IVpc

  constructor(scope: Construct, id: string, props: NetworkProps = {}) {
    super(scope, id)
    const { natGateways = 0 } = props
    const vpc = new Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways,
      subnetConfiguration: [
        { name: 'public', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: natGateways === 0 },
        ...(natGateways > 0
          ? [{ name: 'private', subnetType: SubnetType.PRIVATE_WITH_EGRESS }]
          : []),
      ],
      gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 } },
    })
    vpc.addFlowLog('Flows', {
      destination: FlowLogDestination.toCloudWatchLogs(
        new LogGroup(this, 'FlowLogs', {
          retention: RetentionDays.ONE_WEEK,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      ),
    })
    this.vpc = vpc
  }
}

/** Subnets from which containers reach out: private ones where there are any. */
export function outboundSubnets(vpc: IVpc): SubnetSelection {
  return vpc.privateSubnets.length > 0
    ? { subnets: vpc.privateSubnets }
    : { subnets: vpc.publicSubnets }
}

/** Whether a container needs a public address to reach out. */
export function needsPublicAddress(vpc: IVpc): boolean {
  return vpc.privateSubnets.length === 0
}
