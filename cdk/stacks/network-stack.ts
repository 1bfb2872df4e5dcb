import { Stack, type StackProps } from 'aws-cdk-lib'
import type { IVpc } from 'aws-cdk-lib/aws-ec2'
import type { Construct } from 'constructs'
import { Network, type NetworkProps } from '../constructs/network.ts'

/** How the stack of the network is made. */
export interface NetworkStackProps extends StackProps, NetworkProps {}

/** A network for stacks with containers, where none is given. */
export class NetworkStack extends Stack {
  readonly vpc: IVpc

  constructor(scope: Construct, id: string, props: NetworkStackProps = {}) {
    super(scope, id, { description: 'Espalier: network', ...props })
    this.vpc = new Network(this, 'Network', props).vpc
  }
}
