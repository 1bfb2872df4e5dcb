import { z } from 'zod'
import {
  classifyRequestSchema,
  classifyResponseSchema,
  ROUTE_KEY_HEADER,
} from '../../../shared/contract/classify.ts'
import { describeRoute } from '../describe-route.ts'
import { patienceHeader, readPatience } from '../requests/deadline.ts'
import { parseBody } from '../requests/parse-body.ts'
import { answerJson } from '../responses/answer.ts'
import { classificationsToJson } from '../responses/classify-json.ts'
import type { ApiApp, ApiDeps, ApiMiddleware } from '../types.ts'
import { givenInputs } from '../uploads/given-inputs.ts'
import { recordUsage } from '../usage.ts'

/** `POST /classify`: one or more classifiers on one pass of the encoder. */
export function addClassifyRoute(app: ApiApp, deps: ApiDeps, door: ApiMiddleware): void {
  describeRoute(app, {
    method: 'post',
    path: '/classify',
    summary: 'Classify texts or images with one or more classifiers',
    tag: 'classification',
    headers: patienceHeader.extend({ [ROUTE_KEY_HEADER]: z.string().optional() }),
    body: classifyRequestSchema,
    uploads: true,
    response: classifyResponseSchema,
  })
  app.post('/classify', door, async (c) => {
    const body = parseBody(c, classifyRequestSchema, deps.config.maxInputs)
    const result = await deps.services.classify({
      ...givenInputs(c, 'inputs', body.inputs),
      model: body.model ?? undefined,
      topK: body.top_k ?? undefined,
      threshold: body.threshold ?? undefined,
      embeddings: body.return_embeddings ?? false,
      truncate: body.truncate ?? undefined,
      routeKey: c.req.header(ROUTE_KEY_HEADER) ?? c.get('record').id,
      ...readPatience(c),
    })
    const { tokens } = recordUsage(c, result.passes, result.answers)
    const usage = { prompt_tokens: tokens, total_tokens: tokens }
    const json = await classificationsToJson(result, body.return_embeddings ?? false, usage)
    return answerJson(c, json, deps.clock)
  })
}
