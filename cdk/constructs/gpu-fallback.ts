import { Arn, ArnFormat, Stack } from 'aws-cdk-lib'
import type { IApplicationTargetGroup } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { ApplicationTargetGroup, TargetType } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { CfnPermission, type IFunction } from 'aws-cdk-lib/aws-lambda'
import type { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import type { AccessProps } from './access.ts'
import type { CpuApi } from './cpu-api.ts'

/** Who may call an endpoint on GPUs, as far as it decides who else may answer for it. */
export type GpuAccess = Pick<AccessProps, 'jwt' | 'keys' | 'open'>

/**
 * Checks that the endpoint on Lambda may answer callers of the one on GPUs: its function knows the same keys; or the
 * load balancer checks tokens and the function asks for nothing; or both are open.
 * @throws SettingError saying what has to be the same
 */
export function checkFallback({ jwt, keys, open }: GpuAccess, cpu: CpuApi): void {
  const { access } = cpu
  if (keys !== undefined && keys.arn !== access.keys?.arn) {
    throw new SettingError(
      'GpuApi: the endpoint on Lambda cannot answer for it, because it does not have the same keys; give both the same, or leave the fallback out',
    )
  }
  if (jwt !== undefined && access.keys !== undefined) {
    throw new SettingError(
      'GpuApi: the endpoint on Lambda asks for keys, which callers with tokens do not have; give both the same way, or leave the fallback out',
    )
  }
  if (open && !access.open) {
    throw new SettingError(
      'GpuApi: it is open and the endpoint on Lambda is not, which would then be open as well; give both the same way, or leave the fallback out',
    )
  }
}

/** A function, or an alias of one, as a target of a load balancer in the scope's stack. */
export function functionTargets(
  scope: Construct,
  id: string,
  target: IFunction,
): ApplicationTargetGroup {
  // It lies in the stack of the load balancer: the function's own must not wait for that.
  const permission = new CfnPermission(scope, `${id}Permission`, {
    action: 'lambda:InvokeFunction',
    functionName: target.functionArn,
    principal: 'elasticloadbalancing.amazonaws.com',
    // The group asks for the permission while it is made, before it has an ARN.
    sourceArn: Arn.format(
      {
        service: 'elasticloadbalancing',
        resource: 'targetgroup',
        resourceName: '*',
        arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
      },
      Stack.of(scope),
    ),
  })
  const group = new ApplicationTargetGroup(scope, id, {
    targetType: TargetType.LAMBDA,
    // Each would be an invocation, to find out what nobody asks.
    healthCheck: { enabled: false },
    targets: [
      {
        attachToApplicationTargetGroup: (_group: IApplicationTargetGroup) => ({
          targetType: TargetType.LAMBDA,
          targetJson: { id: target.functionArn },
        }),
      },
    ],
  })
  group.node.addDependency(permission)
  return group
}
