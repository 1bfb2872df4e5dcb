import { Duration, Stack } from 'aws-cdk-lib'
import {
  Alarm,
  AlarmStatusWidget,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  LogQueryVisualizationType,
  LogQueryWidget,
  TextWidget,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { DriftWatch } from './drift-watch.ts'
import type { EndpointAlarm, MonitoredEndpoint } from './endpoint.ts'
import { JobAlerts, type MonitoredJobs } from './job-alerts.ts'
import type { ModelEvents } from './model-events.ts'
import { WaitingJobs } from './waiting-jobs.ts'

/** What is watched, and who is told. */
export interface OperationsProps {
  readonly endpoints: readonly MonitoredEndpoint[]
  /**
   * Jobs to watch.
   * @default none
   */
  readonly jobs?: readonly MonitoredJobs[]
  /**
   * Events of models, to be told where one fails.
   * @default none
   */
  readonly modelEvents?: ModelEvents
  /**
   * How long a job may be RUNNABLE before somebody is told, from 5 minutes to a day.
   * @default 30 minutes
   */
  readonly stuckAfter?: Duration
  /**
   * Whom alarms tell; its owner has to confirm.
   * @default nobody by mail
   */
  readonly email?: string
  /**
   * The topic that alarms go to.
   * @default one is made
   */
  readonly topic?: ITopic
}

/** Requests by model and version, out of the lines that the service writes anyway: no metric to be paid for each. */
const BY_MODEL = [
  'filter msg = "request" and ispresent(model)',
  'stats count(*) as requests, sum(inputs) as texts, sum(tokens) as tokens, pct(durationMs, 50) as p50, pct(durationMs, 99) as p99 by coalesce(heads, model) as version',
  'sort requests desc',
  'limit 50',
]
const ERRORS = [
  'filter msg = "request" and ispresent(errorCode)',
  'stats count(*) as requests by errorCode, status, path',
  'sort requests desc',
  'limit 50',
]

/** A dashboard of endpoints, models and jobs, and alarms that tell somebody. */
export class Operations extends Construct {
  readonly topic: ITopic
  readonly dashboard: Dashboard
  readonly alarms: readonly Alarm[]

  constructor(scope: Construct, id: string, props: OperationsProps) {
    super(scope, id)
    const { endpoints, jobs = [] } = props
    checkNames([
      ...endpoints.map(({ endpointName }) => endpointName),
      ...jobs.map(({ jobsName }) => jobsName),
    ])
    this.topic = props.topic ?? this.#makeTopic()
    if (props.email) this.topic.addSubscription(new EmailSubscription(props.email))
    this.dashboard = new Dashboard(this, 'Dashboard', { defaultInterval: Duration.days(1) })
    const alarms: Alarm[] = []
    for (const endpoint of endpoints) {
      const drift = new DriftWatch(this, `${endpoint.endpointName}Answers`, endpoint)
      const watched = [...endpoint.alarms(), drift.alarm()]
      const own = watched.map((alarm) => this.#alarm(endpoint.endpointName, alarm))
      alarms.push(...own)
      this.#showEndpoint(endpoint, drift, own)
    }
    for (const each of jobs) {
      const alerts = new JobAlerts(this, `${each.jobsName}Alerts`, {
        jobs: each,
        topic: this.topic,
      })
      const alarm = this.#alarm(each.jobsName, {
        id: 'Failed',
        metric: alerts.metricFailed(),
        threshold: 0,
        description: 'A job failed for good: see its log',
      })
      alarms.push(alarm)
      this.dashboard.addWidgets(
        new GraphWidget({
          title: `${each.jobsName}: failed jobs`,
          left: [alerts.metricFailed()],
          width: 12,
        }),
        new AlarmStatusWidget({ title: each.jobsName, alarms: [alarm], width: 12 }),
      )
    }
    for (const alarm of props.modelEvents?.alarms() ?? []) {
      alarms.push(this.#alarm('ModelEvents', alarm))
    }
    if (jobs.length > 0) {
      const after = props.stuckAfter ?? Duration.minutes(30)
      new WaitingJobs(this, 'Waiting', { jobs, topic: this.topic, after })
    }
    this.alarms = alarms
  }

  /**
   * A topic with a policy of its own has not the one that SNS gives a topic, and with it not CloudWatch's right to
   * publish: it is granted here, to alarms of this account.
   */
  #makeTopic(): Topic {
    const topic = new Topic(this, 'Alarms', { enforceSSL: true })
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'Alarms',
        effect: Effect.ALLOW,
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    )
    return topic
  }

  #alarm(owner: string, { id, metric, threshold, description, periods = 1 }: EndpointAlarm): Alarm {
    const alarm = new Alarm(this, `${owner}${id}`, {
      metric,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      // Nobody calling is no fault.
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: `Espalier ${owner}: ${description}`,
    })
    alarm.addAlarmAction(new SnsAction(this.topic))
    alarm.addOkAction(new SnsAction(this.topic))
    return alarm
  }

  #showEndpoint(endpoint: MonitoredEndpoint, drift: DriftWatch, alarms: readonly Alarm[]): void {
    const { endpointName: name, logGroup } = endpoint
    const graph = (title: string, metric: IMetric) =>
      new GraphWidget({ title: `${name}: ${title}`, left: [metric], width: 8 })
    const table = (title: string, queryLines: string[]) =>
      new LogQueryWidget({
        title: `${name}: ${title}`,
        logGroupNames: [logGroup.logGroupName],
        view: LogQueryVisualizationType.TABLE,
        queryLines,
        width: 12,
      })
    this.dashboard.addWidgets(
      new TextWidget({ markdown: `## ${name}: ${endpoint.url}`, width: 24, height: 1 }),
    )
    this.dashboard.addWidgets(
      graph('requests', endpoint.metricRequests()),
      graph('errors', endpoint.metricErrors()),
      graph('time to answer, p99', endpoint.metricLatency()),
    )
    this.dashboard.addWidgets(table('models and versions', BY_MODEL), table('errors', ERRORS))
    this.dashboard.addWidgets(...drift.widgets())
    this.dashboard.addWidgets(
      new AlarmStatusWidget({ title: `${name}: alarms`, alarms: [...alarms], width: 24 }),
    )
  }
}

function checkNames(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice === undefined) return
  throw new SettingError(
    `Operations: two of what is watched are called ${twice}; alarms are named by it`,
  )
}
