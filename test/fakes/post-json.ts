import type { ApiApp } from '../../functions/api/api-app.ts'

/** Posts JSON to an application without a port; a string goes as it is. */
export async function postJson(
  app: ApiApp,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return app.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}
