import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import type {
  ApplicationLoadBalancer,
  ApplicationTargetGroup,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'

/**
 * A sum over one group of targets. The group's own metrics cut the name of the load balancer out of the listener's ARN,
 * which another stack that watches cannot do with a value that it is given.
 */
export function targetSum(
  loadBalancer: ApplicationLoadBalancer,
  group: ApplicationTargetGroup,
  metricName: string,
  options: MetricOptions = {},
): Metric {
  return new Metric({
    namespace: 'AWS/ApplicationELB',
    metricName,
    statistic: 'Sum',
    dimensionsMap: {
      LoadBalancer: loadBalancer.loadBalancerFullName,
      TargetGroup: group.targetGroupFullName,
    },
    ...options,
  })
}
