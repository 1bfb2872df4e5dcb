/** The entry that Lambda calls for each event of S3: `handler.handler`. */
import { jsonLog } from './json-log.ts'
import { createTellChange } from './tell-change.ts'

export const handler = createTellChange({ logger: jsonLog })
