import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { EspalierError } from '../lib/errors.ts'
import { type AwsOptions, clientConfig } from './client-config.ts'
import { explainAwsFailure } from './errors.ts'

/** What is put on the default bus of an account and region. */
export interface BusEvent {
  /** Who says it: what rules choose by, and what rights are bound to. */
  readonly source: string
  readonly detailType: string
  readonly detail: object
  readonly time: Date
}

/**
 * Puts one event on the default bus.
 * @throws EspalierError `forbidden`, `invalid_config`, `aws_unavailable`, the last one also where the bus takes the
 * request and not the event
 */
export async function putBusEvent(
  { source, detailType, detail, time }: BusEvent,
  { region, ...options }: AwsOptions & { readonly region?: string | undefined } = {},
): Promise<void> {
  const client = new EventBridgeClient(clientConfig(region, options))
  const entry = {
    Source: source,
    DetailType: detailType,
    Detail: JSON.stringify(detail),
    Time: time,
  }
  const what = `put an event of ${source}`
  try {
    const { Entries: [told] = [] } = await client.send(new PutEventsCommand({ Entries: [entry] }))
    if (told?.ErrorCode === undefined) return
    const why = `${told.ErrorCode}: ${told.ErrorMessage ?? 'no reason given'}`
    throw new EspalierError('aws_unavailable', `cannot ${what}: ${why}`)
  } catch (error) {
    if (error instanceof EspalierError) throw error
    const resource = `arn:aws:events:${region ?? '*'}:*:event-bus/default`
    throw explainAwsFailure({ what, action: 'events:PutEvents', resource }, error)
  } finally {
    client.destroy()
  }
}
