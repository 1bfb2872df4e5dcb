import { type BusEvent, putBusEvent } from '../../shared/aws/event-bus.ts'
import { readObjectVersion } from '../../shared/aws/object-version.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import { MAX_STATE_BYTES } from '../../shared/registry/records/state.ts'
import { describeChange, EVENT_SOURCE, EVENT_TYPE, readStateWritten } from './change-event.ts'

/** What the handler is made of. */
export interface TellChangeDeps {
  readonly logger: Logger
}

/** Answers an event of S3. It fails where nothing was told, so that Lambda counts it and tries again. */
export type TellChange = (event: unknown) => Promise<void>

/** Makes the handler: for each new version of a model's state, one event on the default bus. */
export function createTellChange({ logger }: TellChangeDeps): TellChange {
  return async (event) => {
    try {
      const written = readStateWritten(event)
      const { region, model } = written
      const body = await readObjectVersion(written, { maxBytes: MAX_STATE_BYTES })
      const detail = describeChange(written, body)
      const told: BusEvent = {
        source: EVENT_SOURCE,
        detailType: EVENT_TYPE,
        detail,
        time: new Date(detail.at),
      }
      await putBusEvent(told, { region })
      const { action, id, revision } = detail
      logger.info({ model, action, id, revision }, 'told of a change')
    } catch (error) {
      logger.error({ err: error, place: placeOf(event) }, 'a change was not told of')
      throw error
    }
  }
}

/** Where to look by hand; the event may be anything. */
function placeOf(event: unknown): unknown {
  const { detail } = Object(event) as { readonly detail?: unknown }
  const { bucket, object } = Object(detail) as Readonly<Record<string, unknown>>
  return { bucket, object }
}
