import { z } from 'zod'
import {
  embedRequestSchema,
  embedResponseSchema,
  FINGERPRINT_HEADER,
} from '../../../shared/contract/embed.ts'
import { deadlineHeader, readDeadline } from '../requests/deadline.ts'
import { givenInputs, parseBody } from '../requests/parse-body.ts'
import { answerJson, recordUsage } from '../responses/answer.ts'
import { vectorsToJson } from '../responses/vector-json.ts'
import type { Route } from '../types.ts'

/** `POST /embed`, in the shape of text-embeddings-inference. */
export const embedRoute: Route = {
  method: 'post',
  path: '/embed',
  scope: 'infer',
  errors: 'tei',
  request: embedRequestSchema,
  uploads: 'inputs',
  docs: {
    summary: 'Turn texts or images into vectors',
    tag: 'embeddings',
    headers: deadlineHeader.extend({ [FINGERPRINT_HEADER]: z.string().optional() }),
    response: embedResponseSchema,
  },
  handler: (deps) => async (c) => {
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
      ...readDeadline(c, deps.clock),
    })
    recordUsage(c, [result])
    const json = await vectorsToJson(result.batch)
    return answerJson(c, json, deps.clock)
  },
}
