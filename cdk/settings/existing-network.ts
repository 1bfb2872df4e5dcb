import { Annotations } from 'aws-cdk-lib'
import { type IVpc, Vpc } from 'aws-cdk-lib/aws-ec2'
import type { Construct } from 'constructs'
import type { SettingKey } from '../../shared/deployment/settings.ts'
import type { Context } from './context.ts'
import { SettingError } from './setting-error.ts'

/** The network that the context describes, without looking it up; undefined where it describes none. */
export function importNetwork(scope: Construct, context: Context): IVpc | undefined {
  const vpcId = context.text('vpc.id')
  if (vpcId === undefined) return undefined
  const why = 'the network is not looked up, so that a synthesis needs no account'
  const vpcCidrBlock = context.required('vpc.cidr', why)
  context.required('vpc.zones', why)
  const availabilityZones = context.list('vpc.zones')
  const subnets = (key: SettingKey) => {
    const ids = context.list(key)
    if (ids.length === 0 || ids.length === availabilityZones.length) return ids
    throw new SettingError(
      `${key} has ${ids.length} subnets for ${availabilityZones.length} zones; it takes one for each, in their order`,
    )
  }
  const publicSubnetIds = subnets('vpc.public')
  const privateSubnetIds = subnets('vpc.private')
  if (publicSubnetIds.length + privateSubnetIds.length === 0) {
    throw new SettingError(
      'vpc.id has no subnets; name them with -c vpc.private=… or -c vpc.public=…',
    )
  }
  const vpc = Vpc.fromVpcAttributes(scope, 'ExistingNetwork', {
    vpcId,
    vpcCidrBlock,
    availabilityZones,
    ...(publicSubnetIds.length > 0 ? { publicSubnetIds } : {}),
    ...(privateSubnetIds.length > 0 ? { privateSubnetIds } : {}),
  })
  for (const subnet of [...vpc.publicSubnets, ...vpc.privateSubnets]) {
    // Nothing here asks for their routes.
    Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId')
  }
  return vpc
}
