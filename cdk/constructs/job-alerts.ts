import { type IMetric, Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { EventField, type IRuleTarget, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events'
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { Construct } from 'constructs'

/** Jobs that can be watched: what `Operations` takes. */
export interface MonitoredJobs {
  /** Short and unique among those watched together, such as `Train`. */
  readonly jobsName: string
  /** Where the jobs write their lines. */
  readonly logGroup: ILogGroup
  /** ARNs of the queues that they wait in. */
  readonly queueArns: readonly string[]
}

/** What is told, and to whom. */
export interface JobAlertsProps {
  readonly jobs: MonitoredJobs
  readonly topic: ITopic
}

const name = EventField.fromPath('$.detail.jobName')
const reason = EventField.fromPath('$.detail.statusReason')
const queue = EventField.fromPath('$.detail.jobQueue')
const stream = EventField.fromPath('$.detail.container.logStreamName')

/**
 * Tells of every job that failed for good, and of every one that AWS Batch finds stuck: RUNNABLE at the head of its
 * queue, for want of capacity, quota or a setting. "Jobs stuck in a RUNNABLE status" of the user guide has the reasons.
 */
export class JobAlerts extends Construct {
  readonly #failed: Rule

  constructor(scope: Construct, id: string, { jobs, topic }: JobAlertsProps) {
    super(scope, id)
    const { jobsName, logGroup, queueArns } = jobs
    this.#failed = new Rule(this, 'Failed', {
      description: `Espalier ${jobsName}: jobs that failed for good`,
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job State Change'],
        detail: { status: ['FAILED'], jobQueue: [...queueArns] },
      },
    })
    const log = `log group ${logGroup.logGroupName}, stream ${stream}`
    const failure = `Espalier ${jobsName}: the job ${name} failed for good: ${reason}. Queue ${queue}; ${log}.`
    this.#failed.addTarget(publishTo(topic, failure))
    const stuck = new Rule(this, 'Stuck', {
      description: `Espalier ${jobsName}: jobs that wait and cannot start`,
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job Queue Blocked'],
        detail: { jobQueue: [...queueArns] },
      },
    })
    const wait = `Espalier ${jobsName}: the job ${name} cannot start, and blocks its queue: ${reason}. Queue ${queue}.`
    stuck.addTarget(publishTo(topic, wait))
  }

  /** Jobs that failed for good: Batch itself counts nothing. */
  metricFailed(): IMetric {
    return new Metric({
      namespace: 'AWS/Events',
      metricName: 'TriggeredRules',
      dimensionsMap: { RuleName: this.#failed.ruleName },
      statistic: 'Sum',
    })
  }
}

/** Publishes a text; the topic lets in this rule alone. A topic from elsewhere has to let it in by itself. */
function publishTo(topic: ITopic, text: string): IRuleTarget {
  return {
    bind(rule) {
      topic.addToResourcePolicy(
        new PolicyStatement({
          effect: Effect.ALLOW,
          principals: [new ServicePrincipal('events.amazonaws.com')],
          actions: ['sns:Publish'],
          resources: [topic.topicArn],
          conditions: { ArnEquals: { 'aws:SourceArn': rule.ruleRef.ruleArn } },
        }),
      )
      return { arn: topic.topicArn, input: RuleTargetInput.fromText(text), targetResource: topic }
    },
  }
}
