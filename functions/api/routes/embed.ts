import { z } from 'zod'
import {
  embedRequestSchema,
  embedResponseSchema,
  FINGERPRINT_HEADER,
} from '../../../shared/contract/embed.ts'
import { describeRoute } from '../describe-route.ts'
import { patienceHeader, readPatience } from '../requests/deadline.ts'
import { parseBody } from '../requests/parse-body.ts'
import { answerJson } from '../responses/answer.ts'
import { vectorsToJson } from '../responses/vector-json.ts'
import type { ApiApp, ApiDeps, ApiMiddleware } from '../types.ts'
import { givenInputs } from '../uploads/given-inputs.ts'
import { recordUsage } from '../usage.ts'

/** `POST /embed`, in the shape of text-embeddings-inference. */
export function addEmbedRoute(app: ApiApp, deps: ApiDeps, door: ApiMiddleware): void {
  describeRoute(app, {
    method: 'post',
    path: '/embed',
    summary: 'Turn texts or images into vectors',
    tag: 'embeddings',
    headers: patienceHeader.extend({ [FINGERPRINT_HEADER]: z.string().optional() }),
    body: embedRequestSchema,
    uploads: true,
    response: embedResponseSchema,
    errors: 'tei',
  })
  app.post('/embed', door, async (c) => {
    const body = parseBody(c, embedRequestSchema, deps.config.maxInputs)
    const result = await deps.services.embed({
      ...givenInputs(c, 'inputs', body.inputs),
      model: body.model ?? undefined,
      truncate: body.truncate ?? undefined,
      truncationDirection: body.truncation_direction?.toLowerCase() === 'left' ? 'left' : 'right',
      normalize: body.normalize ?? undefined,
      promptName: body.prompt_name ?? undefined,
      dimensions: body.dimensions ?? undefined,
      expectedFingerprint: c.req.header(FINGERPRINT_HEADER),
      ...readPatience(c),
    })
    recordUsage(c, [result])
    const json = await vectorsToJson(result.batch)
    return answerJson(c, json, deps.clock)
  })
}
