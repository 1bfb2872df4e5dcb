import { RemovalPolicy } from 'aws-cdk-lib'
import {
  FlowLogDestination,
  GatewayVpcEndpointAwsService,
  type IVpc,
  type SubnetConfiguration,
  type SubnetSelection,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { checkQuota } from './quotas.ts'

const ZONES = 2

/**
 * Where the subnets of a network lie. `fixed`: public and private ones, whose addresses stay whatever is added later.
 * `1-public` and `1-nat`: those of earlier versions without and with a NAT gateway, which cannot become each other.
 */
export type NetworkLayout = 'fixed' | '1-public' | '1-nat'

/** How a network is made. */
export interface NetworkProps {
  /**
   * Where the subnets lie. Another layout of a deployed network replaces its subnets, which fails while they are in use.
   * @default 1-nat with NAT gateways, and 1-public without
   */
  readonly layout?: NetworkLayout
  /**
   * Gateways through which private subnets reach out, each paid by the hour. With none, containers run in public
   * subnets and get addresses of their own, with security groups that let nothing in.
   * @default 0
   */
  readonly natGateways?: number
}

/** A network for containers, in two zones, with a way to S3 that costs nothing and a log of its flows. */
export class Network extends Construct {
  readonly vpc: IVpc

  constructor(scope: Construct, id: string, props: NetworkProps = {}) {
    super(scope, id)
    const { natGateways = 0, layout = natGateways > 0 ? '1-nat' : '1-public' } = props
    checkLayout(layout, natGateways)
    const vpc = new Vpc(this, 'Vpc', {
      maxAzs: ZONES,
      natGateways,
      subnetConfiguration: subnetsOf(layout, natGateways),
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

/** 4,096 addresses for each subnet; 12 more of the size fit into the network. */
const FIXED_MASK = 20

/** By name, type and mask: any of them says which addresses a subnet has, or what it is called. */
function subnetsOf(layout: NetworkLayout, natGateways: number): SubnetConfiguration[] {
  const cidrMask = layout === 'fixed' ? FIXED_MASK : undefined
  const egress = natGateways > 0 ? SubnetType.PRIVATE_WITH_EGRESS : SubnetType.PRIVATE_ISOLATED
  return [
    {
      name: 'public',
      subnetType: SubnetType.PUBLIC,
      mapPublicIpOnLaunch: natGateways === 0,
      cidrMask,
    },
    ...(layout === '1-public' ? [] : [{ name: 'private', subnetType: egress, cidrMask }]),
  ]
}

function checkLayout(layout: NetworkLayout, natGateways: number): void {
  checkQuota('the number of NAT gateways, of which a zone has one at most,', natGateways, '', {
    min: 0,
    max: ZONES,
  })
  if (layout === '1-public' && natGateways > 0) {
    throw new SettingError(
      'network.layout is 1-public, which has no private subnets for a NAT gateway; it needs the layout fixed, and fixed ' +
        'a new network: remove the stacks of jobs and the network, then deploy them again, or name a network with vpc.id',
    )
  }
  if (layout === '1-nat' && natGateways === 0) {
    throw new SettingError(
      'network.layout is 1-nat, whose private subnets reach out through a gateway; network.nat must be 1 or 2',
    )
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
