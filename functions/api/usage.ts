import { FINGERPRINT_HEADER, MODEL_HEADER } from '../../shared/contract/embed.ts'
import { formatModelVersion } from '../../shared/lib/model-address.ts'
import type { EmbedResult } from '../../shared/service/embed.ts'
import type { ApiContext, Usage } from './types.ts'

/** Puts what an inference cost into the record of its request, and which model ran into the headers. */
export function recordUsage(c: ApiContext, { info, batch }: EmbedResult): Usage {
  const usage: Usage = {
    model: formatModelVersion(info),
    inputs: batch.tokens.length,
    tokens: batch.tokens.reduce((sum, count) => sum + count, 0),
    truncated: batch.truncated.reduce((sum, cut) => sum + cut, 0),
    queueMs: roundMs(batch.timings.queueMs),
    tokenizeMs: roundMs(batch.timings.tokenizeMs),
    runMs: roundMs(batch.timings.runMs),
  }
  const record = c.get('record')
  record.usage = usage
  record.usageHeaders = {
    [MODEL_HEADER]: usage.model,
    [FINGERPRINT_HEADER]: info.fingerprint,
    'x-compute-type': info.device === 'cpu' ? 'cpu' : 'gpu',
    'x-compute-tokens': String(usage.tokens),
    'x-truncated': String(usage.truncated),
  }
  return usage
}

/** To whole microseconds. */
function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
