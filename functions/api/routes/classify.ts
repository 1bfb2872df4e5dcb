import { z } from 'zod'
import {
  classifyRequestSchema,
  classifyResponseSchema,
  ROUTE_KEY_HEADER,
} from '../../../shared/contract/classify.ts'
import { deadlineHeader, readDeadline } from '../requests/deadline.ts'
import { givenInputs, parseBody } from '../requests/parse-body.ts'
import { answerJson, recordUsage } from '../responses/answer.ts'
import { classificationsToJson } from '../responses/classify-json.ts'
import type { Route } from '../types.ts'

/** `POST /classify`: one or more classifiers on one pass of the encoder. */
export const classifyRoute: Route = {
  method: 'post',
  path: '/classify',
  scope: 'infer',
  request: classifyRequestSchema,
  uploads: 'inputs',
  docs: {
    summary: 'Classify texts or images with one or more classifiers',
    tag: 'classification',
    headers: deadlineHeader.extend({ [ROUTE_KEY_HEADER]: z.string().optional() }),
    response: classifyResponseSchema,
  },
  handler: (deps) => async (c) => {
    const body = parseBody(c, classifyRequestSchema, deps.config.maxInputs)
    const result = await deps.services.classify({
      ...givenInputs(c, 'inputs', body.inputs),
      model: body.model ?? undefined,
      topK: body.top_k ?? undefined,
      threshold: body.threshold ?? undefined,
      thresholds: body.thresholds ?? undefined,
      minScore: body.min_score ?? undefined,
      predictionSet: body.prediction_set
        ? {
            coverage: body.prediction_set.coverage,
            byLabel: body.prediction_set.by_label ?? false,
          }
        : undefined,
      embeddings: body.return_embeddings ?? false,
      truncate: body.truncate ?? undefined,
      truncationDirection: body.truncation_direction ?? undefined,
      routeKey: c.req.header(ROUTE_KEY_HEADER) ?? c.get('record').id,
      ...readDeadline(c, deps.clock),
      onVersions: (versions) => {
        c.get('record').heads = versions
      },
    })
    const { tokens } = recordUsage(c, result.passes, result.answers)
    const usage = { prompt_tokens: tokens, total_tokens: tokens }
    const json = await classificationsToJson(result, body.return_embeddings ?? false, usage)
    return answerJson(c, json, deps.clock)
  },
}
