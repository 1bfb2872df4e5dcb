import type { Route } from '../types.ts'

/** `GET /openapi.json`: every route, described once on first demand. */
export const openapiRoute: Route = {
  method: 'get',
  path: '/openapi.json',
  scope: null,
  handler({ version, keys, config }, routes) {
    let document: Promise<object> | undefined
    const describe = async () => {
      const { createOpenApiDocument } = await import('../responses/openapi-document.ts')
      const security = keys ? 'keys' : config.adminToken ? 'admin-token' : 'none'
      return createOpenApiDocument(routes, version, security)
    }
    return async (c) => {
      document ??= describe()
      return c.json(await document)
    }
  },
}
