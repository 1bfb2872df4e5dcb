import type { z } from 'zod'
import { errorBodySchema, teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import type { ApiApp } from './types.ts'

/** What `/openapi.json` says about a route. */
export interface RouteDescription {
  readonly method: 'get' | 'post'
  /** With parameters in braces: `/v1/models/{id}`. */
  readonly path: string
  readonly summary: string
  readonly tag: 'embeddings' | 'classification' | 'models' | 'operations'
  readonly body?: z.ZodType
  readonly response: z.ZodType
  readonly headers?: z.ZodObject
  readonly params?: z.ZodObject
  /** The form of the errors: ours, or that of text-embeddings-inference. */
  readonly errors?: 'unified' | 'tei'
}

/** Adds a route to the OpenAPI document; checking requests is left to `parseBody`, which names the field. */
export function describeRoute(app: ApiApp, route: RouteDescription): void {
  const json = (schema: z.ZodType) => ({ 'application/json': { schema } })
  const error = route.errors === 'tei' ? teiErrorBodySchema : errorBodySchema
  app.openAPIRegistry.registerPath({
    method: route.method,
    path: route.path,
    summary: route.summary,
    tags: [route.tag],
    request: {
      ...(route.body && { body: { required: true, content: json(route.body) } }),
      ...(route.headers && { headers: route.headers }),
      ...(route.params && { params: route.params }),
    },
    responses: {
      200: { description: 'The answer.', content: json(route.response) },
      default: { description: 'An error; docs/errors.md lists them.', content: json(error) },
    },
  })
}
