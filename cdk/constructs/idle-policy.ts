import { Arn, Duration, Stack, type TimeZone } from 'aws-cdk-lib'
import {
  AdjustmentType,
  PredefinedMetric,
  ScalableTarget,
  type Schedule,
  ServiceNamespace,
  StepScalingAction,
} from 'aws-cdk-lib/aws-applicationautoscaling'
import {
  Alarm,
  ComparisonOperator,
  MathExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import { ApplicationScalingAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { FargateService } from 'aws-cdk-lib/aws-ecs'
import { type ApplicationLoadBalancer, HttpCodeElb } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { Role } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'

/**
 * When there is no task, and so no GPU to pay for: never; outside of hours; or after a time without requests, until one
 * comes, which gets 503 as do all others for the minutes that an instance takes.
 */
export type IdlePolicy =
  | { readonly kind: 'never' }
  | {
      readonly kind: 'schedule'
      readonly startAt: Schedule
      readonly stopAt: Schedule
      readonly timeZone: TimeZone
    }
  | { readonly kind: 'quiet'; readonly after: Duration }

/** What is scaled, and how far. */
export interface IdleScalingProps {
  readonly service: FargateService
  readonly loadBalancer: ApplicationLoadBalancer
  readonly policy: IdlePolicy
  readonly maxTasks: number
}

/** The role that AWS makes for scaling services of ECS; no other is used for it. */
function linkedRole(scope: Construct): string {
  return Arn.format(
    {
      service: 'iam',
      region: '',
      resource: 'role/aws-service-role/ecs.application-autoscaling.amazonaws.com',
      resourceName: 'AWSServiceRoleForApplicationAutoScaling_ECSService',
    },
    Stack.of(scope),
  )
}

const MINUTE = Duration.minutes(1)
/** Alarms look back a day at most. */
const QUIET_MINUTES = { min: 5, max: 1440 } as const

/** Scales a service with its work, and down to nothing as its policy says. */
export class IdleScaling extends Construct {
  readonly target: ScalableTarget

  constructor(scope: Construct, id: string, props: IdleScalingProps) {
    super(scope, id)
    const { service, policy, maxTasks } = props
    const cluster = service.cluster.clusterName
    this.target = new ScalableTarget(this, 'Target', {
      serviceNamespace: ServiceNamespace.ECS,
      resourceId: `service/${cluster}/${service.serviceName}`,
      scalableDimension: 'ecs:service:DesiredCount',
      minCapacity: policy.kind === 'never' ? 1 : 0,
      maxCapacity: maxTasks,
      role: Role.fromRoleArn(this, 'LinkedRole', linkedRole(this)),
    })
    this.target.node.addDependency(service)
    this.target.scaleToTrackMetric('Work', {
      predefinedMetric: PredefinedMetric.ECS_SERVICE_AVERAGE_CPU_UTILIZATION,
      targetValue: 60,
      // Down to nothing is for the policy to decide, and it takes everything at once.
      disableScaleIn: policy.kind === 'quiet',
      scaleOutCooldown: MINUTE,
      scaleInCooldown: Duration.minutes(10),
    })
    if (policy.kind === 'schedule') {
      const { startAt, stopAt, timeZone } = policy
      this.target.scaleOnSchedule('Start', {
        schedule: startAt,
        timeZone,
        minCapacity: 1,
        maxCapacity: maxTasks,
      })
      this.target.scaleOnSchedule('Stop', {
        schedule: stopAt,
        timeZone,
        minCapacity: 0,
        maxCapacity: 0,
      })
    }
    if (policy.kind === 'quiet') this.#wakeAndSleep(props, policy.after)
  }

  #wakeAndSleep({ loadBalancer }: IdleScalingProps, after: Duration): void {
    const minutes = after.toMilliseconds() / 60_000
    if (!Number.isInteger(minutes) || minutes < QUIET_MINUTES.min || minutes > QUIET_MINUTES.max) {
      throw new SettingError(
        `GpuApi: it is to sleep after ${minutes} quiet minutes; it must be a whole number from ${QUIET_MINUTES.min} to ${QUIET_MINUTES.max}`,
      )
    }
    // Without a target the load balancer answers 503, which is no request to any target.
    const refused = loadBalancer.metrics.httpCodeElb(HttpCodeElb.ELB_503_COUNT, {
      period: MINUTE,
      statistic: 'Sum',
    })
    const answered = loadBalancer.metrics.requestCount({ period: MINUTE, statistic: 'Sum' })
    const wake = new Alarm(this, 'Wake', {
      metric: refused,
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: 'Somebody calls and there is no task: one is started',
    })
    wake.addAlarmAction(new ApplicationScalingAction(this.#exactly('WakeUp', 1)))
    const sleep = new Alarm(this, 'Sleep', {
      // Calls that woke it up count, or it would be put to sleep again before it can answer one.
      metric: new MathExpression({
        expression: 'FILL(answered, 0) + FILL(refused, 0)',
        usingMetrics: { answered, refused },
        period: MINUTE,
        label: 'calls',
      }),
      threshold: 1,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods: minutes,
      // No call, no data.
      treatMissingData: TreatMissingData.BREACHING,
      alarmDescription: 'Nobody called for a while: the last task is stopped',
    })
    sleep.addAlarmAction(new ApplicationScalingAction(this.#exactly('FallAsleep', 0)))
  }

  #exactly(id: string, tasks: 0 | 1): StepScalingAction {
    const action = new StepScalingAction(this, id, {
      scalingTarget: this.target,
      adjustmentType: AdjustmentType.EXACT_CAPACITY,
      cooldown: MINUTE,
    })
    // Steps are distances from the alarm's threshold, above it or below.
    if (tasks === 1) action.addAdjustment({ adjustment: 1, lowerBound: 0 })
    else action.addAdjustment({ adjustment: 0, upperBound: 0 })
    return action
  }
}
