import { FINGERPRINT_HEADER, MODEL_HEADER } from '../../shared/contract/embed.ts'
import { formatModelVersion } from '../../shared/lib/text/model-address.ts'
import type { EmbedResult } from '../../shared/serving/embed.ts'
import type { ApiContext, Usage } from './types.ts'

/** Puts what an inference cost and who answered into the record of its request, and which encoders ran into the headers. */
export function recordUsage(
  c: ApiContext,
  passes: readonly [EmbedResult, ...EmbedResult[]],
  answers: readonly { readonly model: string }[] = [],
): Usage {
  const models = passes.map(({ info, batch }) => ({
    model: formatModelVersion(info),
    inputs: batch.tokens.length,
    tokens: batch.tokens.reduce((sum, count) => sum + count, 0),
    truncated: batch.truncated.reduce((sum, cut) => sum + cut, 0),
  }))
  const sumOf = (stage: 'queueMs' | 'tokenizeMs' | 'runMs') =>
    roundMs(passes.reduce((sum, { batch }) => sum + batch.timings[stage], 0))
  const cut = passes[0].batch.truncated.map((_, row) =>
    Math.max(...passes.map(({ batch }) => batch.truncated[row]!)),
  )
  const usage: Usage = {
    model: models.map(({ model }) => model).join(', '),
    ...(answers.length > 0 ? { heads: answers.map(({ model }) => model).join(', ') } : {}),
    models,
    inputs: passes[0].batch.tokens.length,
    tokens: models.reduce((sum, { tokens }) => sum + tokens, 0),
    truncated: cut.reduce((sum, each) => sum + each, 0),
    queueMs: sumOf('queueMs'),
    tokenizeMs: sumOf('tokenizeMs'),
    runMs: sumOf('runMs'),
  }
  const record = c.get('record')
  record.usage = usage
  record.usageHeaders = {
    [MODEL_HEADER]: usage.model,
    [FINGERPRINT_HEADER]: passes.map(({ info }) => info.fingerprint).join(', '),
    'x-compute-type': passes.every(({ info }) => info.device === 'cpu') ? 'cpu' : 'gpu',
    'x-compute-tokens': String(usage.tokens),
    'x-truncated': String(usage.truncated),
  }
  return usage
}

/** To whole microseconds. */
function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
