import {
  type CohereEmbedRequest,
  type CohereEmbedResponse,
  type CohereInputType,
  cohereEmbedRequestSchema,
  cohereEmbedResponseSchema,
} from '../../../shared/contract/cohere-embed.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { GivenInput } from '../../../shared/serving/read-inputs.ts'
import { deadlineHeader, readDeadline } from '../requests/deadline.ts'
import { parseBody } from '../requests/parse-body.ts'
import { answerJson, recordUsage } from '../responses/answer.ts'
import { toBase64, vectorsToJson } from '../responses/vector-json.ts'
import type { Route } from '../types.ts'

/** Prompts by what texts are for, as `encode_query` and `encode_document` of sentence-transformers look for them. */
const PROMPTS: Readonly<Record<CohereInputType, readonly string[]>> = {
  search_query: ['query'],
  search_document: ['document', 'passage', 'corpus'],
  classification: ['classification'],
  clustering: ['clustering'],
  image: [],
}

/** `POST /v2/embed`, in the shape of Cohere: texts or images. */
export const cohereEmbedRoute: Route = {
  method: 'post',
  path: '/v2/embed',
  scope: 'infer',
  request: cohereEmbedRequestSchema,
  docs: {
    summary: 'Turn texts or images into vectors, for clients of Cohere',
    tag: 'embeddings',
    headers: deadlineHeader,
    response: cohereEmbedResponseSchema,
  },
  handler: (deps) => async (c) => {
    const body = parseBody(c, cohereEmbedRequestSchema, deps.config.maxInputs)
    const { field, inputs } = findInputs(body)
    const { id } = c.get('record')
    const result = await deps.services.embed({
      inputs,
      field,
      model: body.model ?? undefined,
      truncate: body.truncate !== 'NONE',
      truncationDirection: body.truncate === 'START' ? 'left' : 'right',
      dimensions: body.output_dimension ?? undefined,
      likelyPrompts: body.input_type ? PROMPTS[body.input_type] : undefined,
      ...readDeadline(c, deps.clock),
    })
    const { model, tokens } = recordUsage(c, [result])
    const { batch, info } = result
    const count = batch.tokens.length
    const billed = info.modality === 'image' ? { images: count } : { input_tokens: tokens }
    const rest: Omit<CohereEmbedResponse, 'id' | 'embeddings'> = {
      texts: [...(body.texts ?? [])],
      meta: { api_version: { version: '2' }, billed_units: billed },
      response_type: 'embeddings_by_type',
      model,
    }
    const parts: Uint8Array[] = []
    for (const type of new Set(body.embedding_types ?? ['float'])) {
      parts.push(Buffer.from(`${parts.length > 0 ? ',' : ''}"${type}":`))
      if (type === 'float') parts.push(await vectorsToJson(batch))
      else parts.push(Buffer.from(JSON.stringify(rowsOf(batch).map(toBase64))))
    }
    const head = Buffer.from(`{"id":${JSON.stringify(id)},"embeddings":{`)
    const tail = Buffer.from(`},${JSON.stringify(rest).slice(1)}`)
    return answerJson(c, Buffer.concat([head, ...parts, tail]), deps.clock)
  },
}

function rowsOf({ vectors, dimension }: { vectors: Float32Array; dimension: number }) {
  return Array.from({ length: vectors.length / dimension }, (_, row) =>
    vectors.subarray(row * dimension, (row + 1) * dimension),
  )
}

/** What is to be embedded, and the field that holds it. */
function findInputs({ texts, images, inputs }: CohereEmbedRequest): {
  readonly field: string
  readonly inputs: readonly GivenInput[]
} {
  const given = [
    texts && { field: 'texts', inputs: texts },
    images && { field: 'images', inputs: images.map((image) => ({ image })) },
    inputs && {
      field: 'inputs',
      inputs: inputs.map(({ content }) => {
        const part = content[0]!
        return part.type === 'text' ? part.text : { image: part.image_url.url }
      }),
    },
  ].filter((each) => each !== undefined && each !== null)
  const [only, ...more] = given
  if (only !== undefined && more.length === 0) return only
  throw new EspalierError('invalid_request', 'send one of texts, images and inputs', {
    param: 'texts',
  })
}
