import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi'
import type { z } from 'zod'
import { errorBodySchema, teiErrorBodySchema } from '../../../shared/contract/error-bodies.ts'
import {
  IMAGE_TYPES,
  imageFormSchema,
  uploadQuerySchema,
} from '../../../shared/contract/uploads.ts'
import type { RouteDescription } from '../describe-route.ts'
import { findScope } from '../scopes.ts'

/** What a caller has to show: a key, the admin token on the admin routes, or nothing. */
export type Security = 'keys' | 'admin-token' | 'none'

/** The OpenAPI 3.1 document of the routes given; loaded when it is asked for. */
export function createOpenApiDocument(
  routes: readonly RouteDescription[],
  version: string,
  security: Security,
): ReturnType<OpenApiGeneratorV31['generateDocument']> {
  const registry = new OpenAPIRegistry()
  const schemes = registerSchemes(registry, security)
  for (const route of routes) registerRoute(registry, route, schemes)
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

/** Registers the ways to show a key, and says which of them a path takes; none for public ones. */
function registerSchemes(registry: OpenAPIRegistry, security: Security) {
  const ways: Requirement[] = []
  const add = (name: string, scheme: Parameters<typeof registry.registerComponent>[2]) => {
    registry.registerComponent('securitySchemes', name, scheme)
    ways.push({ [name]: [] })
  }
  if (security !== 'none') add('bearer', { type: 'http', scheme: 'bearer' })
  if (security === 'keys') add('apiKey', { type: 'apiKey', in: 'header', name: 'x-api-key' })
  return (path: string): Requirement[] => {
    const scope = findScope(path)
    return security === 'keys' ? (scope ? ways : []) : scope === 'admin' ? ways : []
  }
}

function registerRoute(
  registry: OpenAPIRegistry,
  route: RouteDescription,
  securityOf: (path: string) => Requirement[],
): void {
  const json = (schema: z.ZodType) => ({ 'application/json': { schema } })
  const error = route.errors === 'tei' ? teiErrorBodySchema : errorBodySchema
  registry.registerPath({
    method: route.method,
    path: route.path,
    summary: route.summary,
    tags: [route.tag],
    security: securityOf(route.path),
    request: {
      ...(route.body && {
        body: { required: true, content: { ...json(route.body), ...uploadsOf(route) } },
      }),
      ...(route.uploads && { query: uploadQuerySchema }),
      ...(route.headers && { headers: route.headers }),
      ...(route.params && { params: route.params }),
    },
    responses: {
      200: { description: 'The answer.', content: json(route.response) },
      default: { description: 'An error; docs/errors.md lists them.', content: json(error) },
    },
  })
}

/** The forms in which images may come as they are. */
function uploadsOf({ uploads }: RouteDescription) {
  if (!uploads) return {}
  const image = { schema: { type: 'string', format: 'binary' } } as const
  return {
    'multipart/form-data': { schema: imageFormSchema },
    ...Object.fromEntries(IMAGE_TYPES.map((type) => [type, image])),
  }
}
