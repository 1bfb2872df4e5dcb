import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'

/** What makes an alarm of an endpoint go off. */
export interface EndpointAlarm {
  /** Part of the alarm's name, such as `Errors`. */
  readonly id: string
  readonly metric: IMetric
  /** The alarm goes off above it. */
  readonly threshold: number
  readonly description: string
  /**
   * Periods of the metric that have to be above it, of as many looked at.
   * @default 1
   */
  readonly periods?: number
}

/** Something that answers requests and can be watched: what `Operations` takes. */
export interface MonitoredEndpoint {
  /** Short and unique among those watched together, such as `CpuApi`. */
  readonly endpointName: string
  readonly url: string
  /** Where the service writes its lines. */
  readonly logGroup: ILogGroup
  /** What is worth an alarm; never empty. */
  alarms(): readonly EndpointAlarm[]
  metricRequests(): IMetric
  metricErrors(): IMetric
  /** Time to answer, 99th percentile. */
  metricLatency(): IMetric
}
