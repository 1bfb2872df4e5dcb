import type { ApiApp, ApiDeps } from '../types.ts'

/** `GET /openapi.json`: every route, described once on first demand. */
export function addOpenApiRoute(app: ApiApp, { version }: ApiDeps): void {
  let document: ReturnType<typeof app.getOpenAPI31Document> | undefined
  app.get('/openapi.json', (c) => {
    document ??= app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Espalier',
        version,
        description: 'Embeddings and classifiers on one encoder, versioned.',
        license: { name: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
    })
    return c.json(document)
  })
}
