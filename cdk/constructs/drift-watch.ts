import { Duration, Stack } from 'aws-cdk-lib'
import { type IWidget, LogQueryVisualizationType, LogQueryWidget } from 'aws-cdk-lib/aws-cloudwatch'
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { EndpointAlarm, MonitoredEndpoint } from './endpoint.ts'

/** What the service logs of the first classifier of a request, by version: all processes of an endpoint together. */
const ANSWERS = [
  'filter msg = "request" and ispresent(answered.0.model)',
  'fields answered.0.answers as n',
  'stats sum(n) as inputs, sum(n * answered.0.meanScore) / sum(n) as score, sum(n * answered.0.inDistribution) / sum(n) as like_training by answered.0.model as version',
  'sort inputs desc',
  'limit 50',
]
const LABELS = [
  'filter msg = "request" and ispresent(answered.0.labels.0.label)',
  'stats sum(answered.0.labels.0.answers) as inputs by answered.0.model as version, answered.0.labels.0.label as label',
  'sort inputs desc',
  'limit 50',
]
const TESTS = [
  'filter msg = "drift"',
  'fields @timestamp, model, alarm, answers, rows, scores.pValue, inDistribution.expected, inDistribution.observed, inDistribution.pValue, labels.pValue',
  'sort @timestamp desc',
  'limit 50',
]

/**
 * The drift tests of an endpoint, out of the lines that its processes write. Each process tests the answers of its own,
 * once an hour at most. The metric has values where a test gave an alarm, and costs something then alone.
 */
export class DriftWatch extends Construct {
  readonly #endpoint: MonitoredEndpoint
  readonly #filter: MetricFilter

  constructor(scope: Construct, id: string, endpoint: MonitoredEndpoint) {
    super(scope, id)
    this.#endpoint = endpoint
    this.#filter = new MetricFilter(this, 'Alarms', {
      logGroup: endpoint.logGroup,
      filterPattern: FilterPattern.all(
        FilterPattern.stringValue('$.msg', '=', 'drift'),
        FilterPattern.booleanValue('$.alarm', true),
      ),
      metricNamespace: 'Espalier',
      // Of this deployment alone, where an account has several.
      metricName: `${Stack.of(this).stackName}-${endpoint.endpointName}-DriftAlarms`,
      metricValue: '1',
    })
  }

  alarm(): EndpointAlarm {
    return {
      id: 'Drift',
      metric: this.#filter.metric({ statistic: 'Sum', period: Duration.hours(1) }),
      threshold: 0,
      description:
        'the answers of a classifier are not like its reference any more: see the lines with msg "drift" in the log',
    }
  }

  widgets(): IWidget[] {
    const { endpointName, logGroup } = this.#endpoint
    const table = (title: string, queryLines: string[]) =>
      new LogQueryWidget({
        title: `${endpointName}: ${title}`,
        logGroupNames: [logGroup.logGroupName],
        view: LogQueryVisualizationType.TABLE,
        queryLines,
        width: 8,
      })
    return [
      table('scores and inputs like the training data', ANSWERS),
      table('labels', LABELS),
      table('tests for drift', TESTS),
    ]
  }
}
