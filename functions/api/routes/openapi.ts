import type { ApiApp, ApiDeps } from '../types.ts'

/** `GET /openapi.json`: every route, described once on first demand. */
export function addOpenApiRoute(app: ApiApp, { version }: ApiDeps): void {
  let document: Promise<object> | undefined
  const describe = async () => {
    const { createOpenApiDocument } = await import('../openapi-document.ts')
    return createOpenApiDocument(app.described, version)
  }
  app.get('/openapi.json', async (c) => {
    document ??= describe()
    return c.json(await document)
  })
}
