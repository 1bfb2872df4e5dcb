import {
  CloudWatchLogsClient,
  GetQueryResultsCommand,
  StartQueryCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { EspalierError } from '../lib/errors.ts'
import { type AwsOptions, clientConfig } from './client-config.ts'
import { explainAwsFailure } from './errors.ts'

/** A question to CloudWatch Logs Insights. */
export interface LogQuery {
  /** Names of log groups, 50 at most. */
  readonly logGroups: readonly string[]
  /** In the language of Logs Insights. */
  readonly text: string
  /** Milliseconds since 1970; lines from here on … */
  readonly fromMs: number
  /** … up to here, both to the second. */
  readonly toMs: number
}

/** What there is of an answer: `lost` where the query failed, was cancelled or ran out of time. */
export type LogAnswer =
  | { readonly status: 'running' | 'lost' }
  | { readonly status: 'complete'; readonly rows: readonly LogRow[] }

/** Values by the name of their column; columns without a value are left out. */
export type LogRow = Readonly<Record<string, string>>

const RUNNING: readonly string[] = ['Scheduled', 'Running', 'Unknown']

/**
 * Starts a query, which runs for seconds to minutes; its answer can be read for days.
 * @returns the id that `readLogQuery` takes
 * @throws EspalierError `forbidden`, `invalid_config`, `aws_unavailable`, the last one also where too many queries run
 */
export async function startLogQuery(query: LogQuery, options: AwsOptions = {}): Promise<string> {
  const client = new CloudWatchLogsClient(clientConfig(undefined, options))
  const command = new StartQueryCommand({
    logGroupNames: [...query.logGroups],
    queryString: query.text,
    startTime: Math.floor(query.fromMs / 1000),
    endTime: Math.ceil(query.toMs / 1000),
  })
  const what = `search ${query.logGroups.join(', ')}`
  try {
    const { queryId } = await client.send(command)
    if (queryId !== undefined) return queryId
  } catch (error) {
    const resource = query.logGroups
      .map((name) => `arn:aws:logs:*:*:log-group:${name}:*`)
      .join(', ')
    throw explainAwsFailure({ what, action: 'logs:StartQuery', resource }, error)
  } finally {
    client.destroy()
  }
  throw new EspalierError('aws_unavailable', `cannot ${what}: the answer has no id`)
}

/** Reads what a query has found so far. @throws EspalierError `forbidden`, `invalid_config`, `aws_unavailable` */
export async function readLogQuery(id: string, options: AwsOptions = {}): Promise<LogAnswer> {
  const client = new CloudWatchLogsClient(clientConfig(undefined, options))
  try {
    const { status = '', results = [] } = await client.send(
      new GetQueryResultsCommand({ queryId: id }),
    )
    if (RUNNING.includes(status)) return { status: 'running' }
    if (status !== 'Complete') return { status: 'lost' }
    const rows = results.map((fields) =>
      Object.fromEntries(
        fields.flatMap(({ field, value }) =>
          field === undefined || value === undefined ? [] : [[field, value] as const],
        ),
      ),
    )
    return { status: 'complete', rows }
  } catch (error) {
    const request = {
      what: `read the answer of the query ${id}`,
      action: 'logs:GetQueryResults',
      resource: '*',
    }
    throw explainAwsFailure(request, error)
  } finally {
    client.destroy()
  }
}
