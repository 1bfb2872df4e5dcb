import { z } from 'zod'
import { ROUTE_KEY_HEADER } from '../../../shared/contract/classify.ts'
import {
  cohereClassifyRequestSchema,
  cohereClassifyResponseSchema,
} from '../../../shared/contract/cohere-classify.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { deadlineHeader, readDeadline } from '../requests/deadline.ts'
import { parseBody } from '../requests/parse-body.ts'
import { answerJson, recordUsage } from '../responses/answer.ts'
import { cohereToJson } from '../responses/cohere-json.ts'
import type { Route } from '../types.ts'

/** `POST /v1/classify`, in the shape of Cohere. */
export const cohereClassifyRoute: Route = {
  method: 'post',
  path: '/v1/classify',
  scope: 'infer',
  request: cohereClassifyRequestSchema,
  docs: {
    summary: 'Classify texts with one classifier, for clients of Cohere',
    tag: 'classification',
    headers: deadlineHeader.extend({ [ROUTE_KEY_HEADER]: z.string().optional() }),
    response: cohereClassifyResponseSchema,
  },
  handler: (deps) => async (c) => {
    const body = parseBody(c, cohereClassifyRequestSchema, deps.config.maxInputs)
    if (body.examples && body.examples.length > 0) {
      throw new EspalierError(
        'invalid_request',
        'examples are not supported: train a classifier from them once, and name it in model',
        { param: 'examples' },
      )
    }
    const { id } = c.get('record')
    const result = await deps.services.classify({
      inputs: body.inputs,
      field: 'inputs',
      model: body.model ?? undefined,
      probabilities: true,
      topK: Number.MAX_SAFE_INTEGER,
      truncate: body.truncate !== 'NONE',
      ...(body.truncate === 'START' && { truncationDirection: 'left' as const }),
      ...(body.truncate === 'END' && { truncationDirection: 'right' as const }),
      routeKey: c.req.header(ROUTE_KEY_HEADER) ?? id,
      ...readDeadline(c, deps.clock),
      onVersions: (versions) => {
        c.get('record').heads = versions
      },
    })
    recordUsage(c, result.passes, result.answers)
    const json = await cohereToJson(result.answers[0]!, body.inputs, id)
    return answerJson(c, json, deps.clock)
  },
}
