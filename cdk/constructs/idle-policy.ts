import { Arn, Duration, Stack, type TimeZone } from 'aws-cdk-lib'
import {
  AdjustmentType,
  ScalableTarget,
  type Schedule,
  ServiceNamespace,
  StepScalingAction,
} from 'aws-cdk-lib/aws-applicationautoscaling'
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import { ApplicationScalingAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { FargateService } from 'aws-cdk-lib/aws-ecs'
import { HttpCodeElb, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { Role } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { scaleByFlight } from './flight-scaling.ts'
import type { HttpsFront } from './https-front.ts'

/**
 * When there is no task, and so no GPU to pay for: never; outside of hours; or after a time without requests, until one
 * comes. For the minutes that an instance takes, the endpoint on Lambda answers, or 503 with the time to wait.
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
  readonly front: HttpsFront
  readonly policy: IdlePolicy
  readonly maxTasks: number
  /** For each task, to aim at. */
  readonly requestsInFlight: number
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
/** Longer than a start takes. */
const WAKE_TIME = Duration.minutes(10)
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
    scaleByFlight({
      target: this.target,
      service,
      loadBalancer: props.front.loadBalancer,
      requestsInFlight: props.requestsInFlight,
      // Down to nothing is for the policy to decide, and it takes everything at once.
      disableScaleIn: policy.kind === 'quiet',
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

  #wakeAndSleep({ front, service }: IdleScalingProps, after: Duration): void {
    const minutes = after.toMilliseconds() / 60_000
    if (!Number.isInteger(minutes) || minutes < QUIET_MINUTES.min || minutes > QUIET_MINUTES.max) {
      throw new SettingError(
        `GpuApi: it is to sleep after ${minutes} quiet minutes; it must be a whole number from ${QUIET_MINUTES.min} to ${QUIET_MINUTES.max}`,
      )
    }
    const { metrics } = front.loadBalancer
    const sums = { period: MINUTE, statistic: 'Sum' }
    // Without a target the load balancer answers 503 itself: for the moments until its rules are moved.
    const refused = metrics.httpCodeElb(HttpCodeElb.ELB_503_COUNT, sums)
    const wakeUp = new ApplicationScalingAction(this.#addOne())
    this.#wakeOn('Wake', refused, wakeUp)
    const { served, waiting } = front.asleep?.metricCalls(sums) ?? {}
    if (served) this.#wakeOn('WakeServed', served, wakeUp)
    if (waiting) this.#wakeOn('WakeWaiting', waiting, wakeUp)
    const sleep = new Alarm(this, 'Sleep', {
      // Answers to callers that are known, wherever they come from, and calls that woke it up: without those it would be
      // put to sleep again before it can answer one. A scanner gets 4xx, and counts for nothing.
      metric: new MathExpression({
        expression:
          'IF(FILL(wanted, 0) > 0, FILL(answered, 0) + FILL(failed, 0) + FILL(refused, 0), 1)',
        usingMetrics: {
          // An alarm that lasted while there is no task would stop the one that a call has just started.
          wanted: wantedTasks(service),
          answered: metrics.httpCodeTarget(HttpCodeTarget.TARGET_2XX_COUNT, sums),
          failed: metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, sums),
          refused,
        },
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
    sleep.addAlarmAction(new ApplicationScalingAction(this.#stopAll()))
  }

  #wakeOn(id: string, metric: IMetric, action: ApplicationScalingAction): void {
    const wake = new Alarm(this, id, {
      metric,
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: 'Somebody calls and there is no task: one is started',
    })
    wake.addAlarmAction(action)
  }

  /** One more, and never fewer: two unhealthy tasks would become one if the number were set. */
  #addOne(): StepScalingAction {
    const action = new StepScalingAction(this, 'WakeUp', {
      scalingTarget: this.target,
      adjustmentType: AdjustmentType.CHANGE_IN_CAPACITY,
      // The alarm lasts until the task answers, and would add another every minute.
      cooldown: WAKE_TIME,
    })
    // Steps are distances from the alarm's threshold, above it or below.
    action.addAdjustment({ adjustment: 1, lowerBound: 0 })
    return action
  }

  #stopAll(): StepScalingAction {
    const action = new StepScalingAction(this, 'FallAsleep', {
      scalingTarget: this.target,
      adjustmentType: AdjustmentType.EXACT_CAPACITY,
      cooldown: MINUTE,
    })
    action.addAdjustment({ adjustment: 0, upperBound: 0 })
    return action
  }
}

/** How many tasks there are to be, as Container Insights reports it. */
function wantedTasks({ cluster, serviceName }: FargateService): Metric {
  return new Metric({
    namespace: 'ECS/ContainerInsights',
    metricName: 'DesiredTaskCount',
    dimensionsMap: { ClusterName: cluster.clusterName, ServiceName: serviceName },
    period: MINUTE,
    statistic: 'Maximum',
  })
}
