import type { ApiApp, ApiDeps } from '../types.ts'

/** `GET /openapi.json`: every route, described once on first demand. */
export function addOpenApiRoute(app: ApiApp, { version, keys, config }: ApiDeps): void {
  let document: Promise<object> | undefined
  const describe = async () => {
    const { createOpenApiDocument } = await import('../responses/openapi-document.ts')
    const security = keys ? 'keys' : config.adminToken ? 'admin-token' : 'none'
    return createOpenApiDocument(app.described, version, security)
  }
  app.get('/openapi.json', async (c) => {
    document ??= describe()
    return c.json(await document)
  })
}
