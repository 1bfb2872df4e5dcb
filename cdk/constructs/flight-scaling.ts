import { Duration } from 'aws-cdk-lib'
import {
  CfnScalingPolicy,
  PredefinedMetric,
  type ScalableTarget,
} from 'aws-cdk-lib/aws-applicationautoscaling'
import type { FargateService } from 'aws-cdk-lib/aws-ecs'
import type { ApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { SettingError } from '../settings/setting-error.ts'

/** How a service of ECS is scaled with its work. */
export interface FlightScalingProps {
  readonly target: ScalableTarget
  readonly service: FargateService
  readonly loadBalancer: ApplicationLoadBalancer
  /** Requests in flight for each task that are aimed at. */
  readonly requestsInFlight: number
  readonly disableScaleIn: boolean
}

/**
 * Scales by requests in flight for each task, not by its processor, which is idle while a GPU works. By Little's law
 * their mean is the time that all answers of a second took together: the sum of response times over the seconds of a
 * period. Waiting in the task's own queue is part of that time, so the number grows as soon as the GPU cannot keep up.
 */
export function scaleByFlight(props: FlightScalingProps): void {
  const { target, service, loadBalancer, requestsInFlight } = props
  if (!(requestsInFlight >= 1 && requestsInFlight <= 512)) {
    throw new SettingError(
      `GpuApi: the requests in flight for each task are ${requestsInFlight}; it must be a number from 1 to 512, all that a task takes at once`,
    )
  }
  const policy = target.scaleToTrackMetric('Work', {
    predefinedMetric: PredefinedMetric.ECS_SERVICE_AVERAGE_CPU_UTILIZATION,
    targetValue: requestsInFlight,
    disableScaleIn: props.disableScaleIn,
    scaleOutCooldown: Duration.minutes(1),
    scaleInCooldown: Duration.minutes(10),
  })
  const resource = policy.node.findAll().find((node) => node instanceof CfnScalingPolicy)
  const path = 'TargetTrackingScalingPolicyConfiguration'
  // The construct of the CDK has no arithmetic of metrics; the resource has.
  resource?.addPropertyDeletionOverride(`${path}.PredefinedMetricSpecification`)
  resource?.addPropertyOverride(`${path}.CustomizedMetricSpecification.Metrics`, [
    stat('busy', 'AWS/ApplicationELB', 'TargetResponseTime', 'Sum', {
      LoadBalancer: loadBalancer.loadBalancerFullName,
    }),
    // Counted by Container Insights, those that are still starting as well.
    stat('tasks', 'ECS/ContainerInsights', 'RunningTaskCount', 'Average', {
      ClusterName: service.cluster.clusterName,
      ServiceName: service.serviceName,
    }),
    {
      Id: 'inFlight',
      Label: 'requests in flight for each task',
      Expression: 'busy / 60 / tasks',
      ReturnData: true,
    },
  ])
}

function stat(
  id: string,
  namespace: string,
  name: string,
  statistic: string,
  dimensions: Readonly<Record<string, string>>,
): object {
  return {
    Id: id,
    ReturnData: false,
    MetricStat: {
      Stat: statistic,
      Metric: {
        Namespace: namespace,
        MetricName: name,
        Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      },
    },
  }
}
