import { z } from 'zod'
import { FINGERPRINT_HEADER } from '../../../shared/contract/embed.ts'
import {
  openaiEmbeddingsRequestSchema,
  openaiEmbeddingsResponseSchema,
} from '../../../shared/contract/openai-embeddings.ts'
import { deadlineHeader, readDeadline } from '../requests/deadline.ts'
import { givenInputs, parseBody, refuseTokenInput } from '../requests/parse-body.ts'
import { answerJson, recordUsage } from '../responses/answer.ts'
import { embeddingsToJson } from '../responses/vector-json.ts'
import type { Route } from '../types.ts'

/** `POST /v1/embeddings`, in the shape of OpenAI. */
export const openaiEmbeddingsRoute: Route = {
  method: 'post',
  path: '/v1/embeddings',
  scope: 'infer',
  request: openaiEmbeddingsRequestSchema,
  uploads: 'input',
  docs: {
    summary: 'Turn texts or images into vectors, for clients of OpenAI',
    tag: 'embeddings',
    headers: deadlineHeader.extend({ [FINGERPRINT_HEADER]: z.string().optional() }),
    response: openaiEmbeddingsResponseSchema,
  },
  handler: (deps) => async (c) => {
    refuseTokenInput(c.get('body'))
    const body = parseBody(c, openaiEmbeddingsRequestSchema, deps.config.maxInputs)
    const result = await deps.services.embed({
      ...givenInputs(c, 'input', body.input),
      model: body.model ?? undefined,
      truncate: body.truncate ?? undefined,
      promptName: body.prompt_name ?? undefined,
      dimensions: body.dimensions ?? undefined,
      expectedFingerprint: c.req.header(FINGERPRINT_HEADER),
      ...readDeadline(c, deps.clock),
    })
    const { model, tokens } = recordUsage(c, [result])
    const usage = { prompt_tokens: tokens, total_tokens: tokens }
    const tail = `,"model":${JSON.stringify(model)},"usage":${JSON.stringify(usage)}}`
    const json = await embeddingsToJson(result.batch, body.encoding_format ?? 'float', tail)
    return answerJson(c, json, deps.clock)
  },
}
