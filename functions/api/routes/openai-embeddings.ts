import { z } from 'zod'
import { FINGERPRINT_HEADER } from '../../../shared/contract/embed.ts'
import {
  openaiEmbeddingsRequestSchema,
  openaiEmbeddingsResponseSchema,
} from '../../../shared/contract/openai-embeddings.ts'
import { describeRoute } from '../describe-route.ts'
import { patienceHeader, readPatience } from '../requests/deadline.ts'
import { parseBody } from '../requests/parse-body.ts'
import { answerJson } from '../responses/answer.ts'
import { embeddingsToJson } from '../responses/vector-json.ts'
import { refuseTokenInput } from '../token-input.ts'
import type { ApiApp, ApiDeps, ApiMiddleware } from '../types.ts'
import { givenInputs } from '../uploads/given-inputs.ts'
import { recordUsage } from '../usage.ts'

/** `POST /v1/embeddings`, in the shape of OpenAI. */
export function addOpenAIEmbeddingsRoute(app: ApiApp, deps: ApiDeps, door: ApiMiddleware): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/embeddings',
    summary: 'Turn texts or images into vectors, for clients of OpenAI',
    tag: 'embeddings',
    headers: patienceHeader.extend({ [FINGERPRINT_HEADER]: z.string().optional() }),
    body: openaiEmbeddingsRequestSchema,
    uploads: true,
    response: openaiEmbeddingsResponseSchema,
  })
  app.post('/v1/embeddings', door, async (c) => {
    refuseTokenInput(c.get('body'))
    const body = parseBody(c, openaiEmbeddingsRequestSchema, deps.config.maxInputs)
    const result = await deps.services.embed({
      ...givenInputs(c, 'input', body.input),
      model: body.model ?? undefined,
      truncate: body.truncate ?? undefined,
      promptName: body.prompt_name ?? undefined,
      dimensions: body.dimensions ?? undefined,
      expectedFingerprint: c.req.header(FINGERPRINT_HEADER),
      ...readPatience(c),
    })
    const { model, tokens } = recordUsage(c, [result])
    const usage = { prompt_tokens: tokens, total_tokens: tokens }
    const tail = `,"model":${JSON.stringify(model)},"usage":${JSON.stringify(usage)}}`
    const json = await embeddingsToJson(result.batch, body.encoding_format ?? 'float', tail)
    return answerJson(c, json, deps.clock)
  })
}
