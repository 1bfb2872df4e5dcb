import type { JobQueue as BatchJobQueue } from 'aws-cdk-lib/aws-batch'
import { type IMetric, Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { Rule } from 'aws-cdk-lib/aws-events'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

/** Jobs that can be watched: what `Operations` takes. */
export interface MonitoredJobs {
  /** Short and unique among those watched together, such as `Train`. */
  readonly jobsName: string
  /** Where the jobs write their lines. */
  readonly logGroup: ILogGroup
  /** Jobs that failed for good. */
  metricFailed(): IMetric
}

/** Counts the jobs of some queues that failed for good: Batch itself counts nothing. */
export class JobFailures extends Construct {
  readonly #rule: Rule

  constructor(scope: Construct, id: string, queues: readonly BatchJobQueue[]) {
    super(scope, id)
    this.#rule = new Rule(this, 'Rule', {
      description: 'Espalier: jobs that failed for good',
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job State Change'],
        detail: { status: ['FAILED'], jobQueue: queues.map(({ jobQueueArn }) => jobQueueArn) },
      },
    })
  }

  metric(): IMetric {
    return new Metric({
      namespace: 'AWS/Events',
      metricName: 'TriggeredRules',
      dimensionsMap: { RuleName: this.#rule.ruleName },
      statistic: 'Sum',
    })
  }
}
