/** `import { createClient } from 'espalier/client'`: the HTTP API, typed. */
import type { Refresh } from '../contract/admin.ts'
import type { ClassifyResponse } from '../contract/classify.ts'
import type { Health as WireHealth } from '../contract/health.ts'
import type { Info as WireInfo } from '../contract/info.ts'
import type { ModelList, Model as WireModel } from '../contract/models.ts'
import type { OpenAIEmbeddingsResponse } from '../contract/openai-embeddings.ts'
import { type Batch, cutBatches, decodeFloats, runBatches } from './batches.ts'
import { createSend, type Send } from './http.ts'
import type {
  CallOptions,
  Classification,
  ClassifyOptions,
  ClientOptions,
  Embeddings,
  EmbedOptions,
  EspalierClient,
  Input,
  Prediction,
  PredictionSet,
} from './types.ts'

export { type ClientErrorData, EspalierClientError } from './client-error.ts'
export type * from './types.ts'

/**
 * A client of one server. It holds no connection of its own and needs no closing.
 * @throws EspalierClientError `invalid_request` where `baseUrl` is no URL
 */
export function createClient(options: ClientOptions): EspalierClient {
  const send = createSend(options)
  const get = async <T>(path: string, { signal, timeoutMs }: CallOptions, accept?: number[]) =>
    (await send({ method: 'GET', path, signal, timeoutMs, accept })).body as T

  return {
    embed: (inputs, call = {}) => embed(send, options, inputs, call),
    async classify(inputs, { model, ...call } = {}) {
      const [answer] = await classify(send, options, inputs, model, call)
      return answer!
    },
    classifyWith: (models, inputs, call = {}) => classify(send, options, inputs, models, call),
    models: async (call = {}) => (await get<ModelList>('/v1/models', call)).data,
    model: async (id, call = {}) => get<WireModel>(`/v1/models/${encodeURIComponent(id)}`, call),
    info: async (call = {}) => get<WireInfo>('/info', call),
    health: async (call = {}) => get<WireHealth>('/readyz', call, [503]),
    async refresh({ signal, timeoutMs } = {}) {
      const request = { method: 'POST', path: '/admin/refresh', signal, timeoutMs } as const
      return ((await send(request)).body as Refresh).changes
    },
  }
}

interface EmbeddedBatch {
  readonly version: string
  readonly fingerprint: string
  readonly embeddings: readonly Float32Array[]
  readonly tokens: number
}

async function embed(
  send: Send,
  options: ClientOptions,
  inputs: Input | readonly Input[],
  call: EmbedOptions,
): Promise<Embeddings> {
  const { truncate, promptName: prompt_name, timeoutMs } = call
  const run = async (batch: Batch, signal: AbortSignal, model?: string): Promise<EmbeddedBatch> => {
    const rest = { model, truncate, prompt_name, encoding_format: 'base64' }
    const body = withInputs('input', batch, rest)
    const request = { method: 'POST', path: '/v1/embeddings', body, signal, timeoutMs } as const
    const answer = await send(request)
    const { data, model: version, usage } = answer.body as OpenAIEmbeddingsResponse
    return {
      version,
      fingerprint: answer.headers.get('x-espalier-fingerprint') ?? '',
      embeddings: data.map(({ embedding }) => decodeFloats(embedding as string)),
      tokens: usage.total_tokens,
    }
  }
  const batches = cutBatches(inputs, options)
  const parts = await runAlike(batches, options, call, call.model, run)
  const [{ version, fingerprint }] = parts as [EmbeddedBatch]
  const embeddings = parts.flatMap((part) => part.embeddings)
  const tokens = parts.reduce((sum, part) => sum + part.tokens, 0)
  return { model: version, fingerprint, dimensions: embeddings[0]!.length, embeddings, tokens }
}

interface ClassifiedBatch {
  readonly version: readonly string[]
  readonly answer: ClassifyResponse
}

async function classify(
  send: Send,
  options: ClientOptions,
  inputs: Input | readonly Input[],
  models: string | readonly string[] | undefined,
  call: Omit<ClassifyOptions, 'model'>,
): Promise<readonly Classification[]> {
  const { topK: top_k, threshold, thresholds, minScore: min_score, predictionSet } = call
  const { truncate, timeoutMs } = call
  const prediction_set = predictionSet && {
    coverage: predictionSet.coverage,
    by_label: predictionSet.byLabel,
  }
  const wishes = { top_k, threshold, thresholds, min_score, prediction_set, truncate }
  // One key for all requests of the call, so that one version of a traffic split answers it.
  const headers = { 'x-route-key': call.routeKey ?? `call-${Math.random().toString(36).slice(2)}` }
  type Named = string | readonly string[]
  const run = async (batch: Batch, signal: AbortSignal, model?: Named) => {
    const body = withInputs('inputs', batch, { model, ...wishes })
    const request = { method: 'POST', path: '/classify', headers, body, signal, timeoutMs } as const
    const answer = (await send(request)).body as ClassifyResponse
    return { version: answer.data[0]!.predictions.map((each) => each.model), answer }
  }
  const batches = cutBatches(inputs, options)
  const parts = await runAlike<ClassifiedBatch, Named>(batches, options, call, models, run)
  const rows = parts.flatMap(({ answer }) => answer.data)
  const tokens = parts.reduce((sum, { answer }) => sum + answer.usage.total_tokens, 0)
  return parts[0]!.version.map((model, at) => {
    return { model, predictions: rows.map((row) => toPrediction(row.predictions[at]!)), tokens }
  })
}

/** Runs all batches; those that another version answered, as it was promoted meanwhile, are asked of the first one. */
async function runAlike<T extends { readonly version: V }, V>(
  batches: readonly Batch[],
  options: ClientOptions,
  { signal }: CallOptions,
  model: V | undefined,
  run: (batch: Batch, signal: AbortSignal, model?: V) => Promise<T>,
): Promise<readonly T[]> {
  const parts = await runBatches(batches, options, signal, (batch, s) => run(batch, s, model))
  const { version } = parts[0]!
  const odd = [...parts.keys()].filter((at) => String(parts[at]!.version) !== String(version))
  const again = odd.map((at) => batches[at]!)
  const mended = await runBatches(again, options, signal, (batch, s) => run(batch, s, version))
  for (const [place, at] of odd.entries()) parts[at] = mended[place]!
  return parts
}

/** A body with the inputs, which are JSON already; what is undefined is left out. */
function withInputs(field: string, { json }: Batch, rest: object): string {
  const others = JSON.stringify(rest).slice(1)
  return `{"${field}":${json}${others === '}' ? '' : ','}${others}`
}

type WirePrediction = ClassifyResponse['data'][number]['predictions'][number]

function toPrediction(prediction: WirePrediction): Prediction {
  const { label, score, labels, in_distribution, ood_score, abstained, prediction_set } = prediction
  return {
    ...{ label, score, labels, inDistribution: in_distribution, oodScore: ood_score },
    ...(abstained !== undefined && { abstained }),
    ...(prediction_set && { set: toSet(prediction_set) }),
  }
}

function toSet(set: NonNullable<WirePrediction['prediction_set']>): PredictionSet {
  const { labels, coverage, by_label: byLabel, too_few_rows: tooFewRows } = set
  return { labels, coverage, byLabel, tooFewRows }
}
