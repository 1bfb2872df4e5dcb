import { Duration } from 'aws-cdk-lib'
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import { type ApplicationTargetGroup, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { Construct } from 'constructs'
import { tooManyErrors } from './error-share.ts'

/** An alarm that takes a new version back; it tells nobody. */
export function rollbackGuard(
  scope: Construct,
  id: string,
  metric: IMetric,
  threshold: number,
): Alarm {
  return new Alarm(scope, `Rollback${id}`, {
    metric,
    threshold,
    evaluationPeriods: 1,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
    alarmDescription: `Takes a new version back: ${id}`,
  })
}

/** Alarms of both groups of targets: the new version is in the one or the other. */
export function groupGuards(
  scope: Construct,
  groups: Readonly<Record<string, ApplicationTargetGroup>>,
  slowAfter: Duration,
): Alarm[] {
  const sums = { period: Duration.minutes(1), statistic: 'Sum' }
  return Object.entries(groups).flatMap(([color, { metrics }]) => [
    rollbackGuard(
      scope,
      `${color}Errors`,
      tooManyErrors(
        metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, sums),
        metrics.requestCount(sums),
      ),
      0,
    ),
    rollbackGuard(
      scope,
      `${color}Latency`,
      metrics.targetResponseTime({ ...sums, statistic: 'p99' }),
      slowAfter.toMilliseconds() / 1000,
    ),
  ])
}
