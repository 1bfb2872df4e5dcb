import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi'
import type { z } from 'zod'
import { errorBodySchema, teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import type { RouteDescription } from './describe-route.ts'

/** The OpenAPI 3.1 document of the routes given; loaded when it is asked for. */
export function createOpenApiDocument(
  routes: readonly RouteDescription[],
  version: string,
): ReturnType<OpenApiGeneratorV31['generateDocument']> {
  const registry = new OpenAPIRegistry()
  for (const route of routes) registerRoute(registry, route)
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Espalier',
      version,
      description: 'Embeddings and classifiers on one encoder, versioned.',
      license: { name: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
  })
}

function registerRoute(registry: OpenAPIRegistry, route: RouteDescription): void {
  const json = (schema: z.ZodType) => ({ 'application/json': { schema } })
  const error = route.errors === 'tei' ? teiErrorBodySchema : errorBodySchema
  registry.registerPath({
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
