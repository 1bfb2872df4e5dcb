/** The entry that the state machine of a bake calls for each of its steps: `bake.handler`. */
import { systemClock } from '../../shared/lib/clock.ts'
import { jsonLog } from './json-log.ts'
import { createBake } from './run-bake.ts'

export const handler = createBake({ logger: jsonLog, clock: systemClock })
