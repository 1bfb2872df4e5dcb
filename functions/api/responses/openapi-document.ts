import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { errorBodySchema, teiErrorBodySchema } from '../../../shared/contract/error-bodies.ts'
import { IMAGE_TYPES, imageFormOf, uploadQuerySchema } from '../../../shared/contract/uploads.ts'
import type { Route, RouteDocs } from '../types.ts'

/** What a caller has to show: a key, the admin token on the admin routes, or nothing. */
export type Security = 'keys' | 'admin-token' | 'none'

/** The OpenAPI 3.1 document of the routes given; loaded when it is asked for. */
export function createOpenApiDocument(
  routes: readonly Route[],
  version: string,
  security: Security,
): ReturnType<OpenApiGeneratorV31['generateDocument']> {
  const registry = new OpenAPIRegistry()
  const schemes = registerSchemes(registry, security)
  for (const route of routes) if (route.docs) registerRoute(registry, route, route.docs, schemes)
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

type Requirement = Record<string, string[]>

/** Registers the ways to show a key, and says which of them a route takes; none for public ones. */
function registerSchemes(registry: OpenAPIRegistry, security: Security) {
  const ways: Requirement[] = []
  const add = (name: string, scheme: Parameters<typeof registry.registerComponent>[2]) => {
    registry.registerComponent('securitySchemes', name, scheme)
    ways.push({ [name]: [] })
  }
  if (security !== 'none') add('bearer', { type: 'http', scheme: 'bearer' })
  if (security === 'keys') add('apiKey', { type: 'apiKey', in: 'header', name: 'x-api-key' })
  return ({ scope }: Route): Requirement[] => {
    return security === 'keys' ? (scope ? ways : []) : scope === 'admin' ? ways : []
  }
}

function registerRoute(
  registry: OpenAPIRegistry,
  route: Route,
  docs: RouteDocs,
  securityOf: (route: Route) => Requirement[],
): void {
  const json = (schema: z.ZodType) => ({ 'application/json': { schema } })
  const error = route.errors === 'tei' ? teiErrorBodySchema : errorBodySchema
  registry.registerPath({
    method: route.method,
    path: route.path.replaceAll(/:(\w+)/g, '{$1}'),
    summary: docs.summary,
    tags: [docs.tag],
    security: securityOf(route),
    request: {
      ...(route.request && {
        body: { required: true, content: { ...json(route.request), ...uploadsOf(route) } },
      }),
      ...(route.uploads && { query: uploadQuerySchema }),
      ...(docs.headers && { headers: docs.headers }),
      ...(docs.params && { params: docs.params }),
    },
    responses: {
      200: { description: 'The answer.', content: json(docs.response) },
      ...(docs.unavailable && {
        503: { description: 'The answer is no.', content: json(docs.unavailable) },
      }),
      default: { description: 'An error; docs/errors.md lists them.', content: json(error) },
    },
  })
}

/** The forms in which images may come as they are. */
function uploadsOf({ uploads, request }: Route) {
  if (!uploads || !(request instanceof z.ZodObject)) return {}
  const image = { schema: { type: 'string', format: 'binary' } } as const
  return {
    'multipart/form-data': { schema: imageFormOf(request, uploads) },
    ...Object.fromEntries(IMAGE_TYPES.map((type) => [type, image])),
  }
}
