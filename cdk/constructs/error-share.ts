import { Duration } from 'aws-cdk-lib'
import { type IMetric, MathExpression } from 'aws-cdk-lib/aws-cloudwatch'

/**
 * What takes a new version back, in one minute. A single 5xx is no evidence: a restart or a slow dependency makes one of
 * either version. Three are, if they are more than one answer in a hundred: a new version has a tenth of the calls at
 * first, so it fails one of its own in ten then.
 */
const LEAST_ERRORS = 3
const LARGEST_SHARE = 0.01

/** 1 in a minute with too many answers with 5xx, else 0. Both metrics are sums over a minute. */
export function tooManyErrors(errors: IMetric, requests: IMetric): IMetric {
  return new MathExpression({
    expression: `IF(errors >= ${LEAST_ERRORS} AND errors > requests * ${LARGEST_SHARE}, 1, 0)`,
    usingMetrics: { errors, requests },
    period: Duration.minutes(1),
    label: 'too many errors',
  })
}
