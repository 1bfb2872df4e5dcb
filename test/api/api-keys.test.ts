import { afterEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { errorBodySchema, teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import { createKey, describeKey, type KeyScope } from '../../shared/lib/api-keys.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { openKeys } from '../fakes/open-keys.ts'

const ADMIN_TOKEN = 'the-admin-token-of-the-tests'
const keys = { website: createKey(), trainer: createKey(), operator: createKey() }
const scopes: Record<keyof typeof keys, readonly KeyScope[]> = {
  website: ['infer'],
  trainer: ['train'],
  operator: ['admin', 'infer'],
}
const lines = (Object.keys(keys) as (keyof typeof keys)[]).map((name) =>
  describeKey(name, scopes[name], keys[name]),
)
const settings = { ESPALIER_API_KEYS: lines.join(','), ESPALIER_ADMIN_TOKEN: ADMIN_TOKEN }

let deps: ApiTestDeps
afterEach(() => deps.close())

async function serve(env: Record<string, string> = settings): Promise<ApiApp> {
  const base = await createApiDeps({ env })
  deps = Object.assign(base, { keys: await openKeys(base.config) })
  return createApp(deps)
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

/** Asks a path as its method wants, with something to work on. */
async function ask(app: ApiApp, path: string, headers: Record<string, string> = {}) {
  const body = { inputs: 'a cat', input: 'a cat' }
  const isPost = /embed|classify|admin/.test(path)
  return app.request(
    path,
    isPost
      ? {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body),
        }
      : { headers },
    { incoming: { socket: { remoteAddress: '127.0.0.1' } } },
  )
}

const PUBLIC = ['/livez', '/readyz', '/healthz', '/health', '/ping', '/openapi.json']
const INFERENCE = ['/embed', '/v1/embeddings', '/v1/models', '/info']
const ADMIN = ['/admin/refresh', '/metrics']

describe('with keys', () => {
  it.each(PUBLIC)('%s answers everybody', async (path) => {
    expect((await ask(await serve(), path)).status).toBe(200)
  })

  it.each([...INFERENCE, '/classify', '/v1/classify', ...ADMIN, '/no/such/path'])(
    '%s answers nobody without a key, nor with a wrong one',
    async (path) => {
      const app = await serve()
      const wrong = [
        {},
        bearer(createKey()),
        { authorization: keys.website },
        { authorization: `Basic ${btoa(keys.website)}` },
        { 'x-api-key': `${keys.website}0` },
        { 'x-api-key': lines[0]! },
        { 'x-api-key': lines[0]!.split(':')[2]! },
        { cookie: `x-api-key=${keys.website}` },
      ]
      for (const headers of wrong) {
        const answer = await ask(app, path, headers)
        expect(answer.status).toBe(401)
        expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="espalier"')
        const body: unknown = await answer.json()
        if (path === '/embed') {
          expect(teiErrorBodySchema.parse(body).error).toContain('x-api-key')
        } else {
          const { error, message } = errorBodySchema.parse(body)
          expect(error).toMatchObject({ type: 'invalid_request_error', code: 'unauthorized' })
          expect(message).toBe(error.message)
        }
      }
      expect((await ask(app, `${path}?api_key=${keys.website}`)).status).toBe(401)
    },
  )

  it.each([
    ...INFERENCE.map((path) => [path, keys.website, keys.trainer, 'infer'] as const),
    ...ADMIN.map((path) => [path, keys.operator, keys.website, 'admin'] as const),
  ])('%s wants the right scope', async (path, right, wrong, scope) => {
    const app = await serve()
    for (const headers of [bearer(right), { 'x-api-key': right }]) {
      expect((await ask(app, path, headers)).status).toBe(200)
    }
    const refused = await ask(app, path, bearer(wrong))
    expect(refused.status).toBe(403)
    expect(await refused.text()).toContain(`scope ${scope}`)
  })

  it.each([
    '/metrics/',
    '//metrics',
    '/metrics//',
    '/./metrics',
    '/x/../metrics',
    '/%6Detrics',
    '/%6detrics/',
    '/METRICS',
    '/metrics?x=1',
    '/metrics/x',
    '/admin/refresh/',
    '/admin//refresh',
    '/admin/no/such/path',
  ])('%s is guarded as what it stands for', async (path) => {
    const app = await serve()
    expect((await ask(app, path)).status).toBe(401)
    const refused = await ask(app, path, bearer(keys.website))
    expect(refused.status).toBe(403)
    expect(await refused.text()).toContain('scope admin')
  })

  it.each(['/LIVEZ', '//livez', '/livez/x', '/openapi', '/admin/snapshot', '/v2', '/'])(
    '%s is unknown, and asks for a key',
    async (path) => {
      const app = await serve()
      expect((await ask(app, path)).status).toBe(401)
      expect((await ask(app, path, bearer(keys.operator))).status).toBe(404)
    },
  )

  it('answers a route with a slash at its end as the route itself', async () => {
    const app = await serve()
    expect((await ask(app, '/metrics/', bearer(keys.operator))).status).toBe(200)
    expect((await ask(app, '/livez/')).status).toBe(200)
    const text = { ...bearer(keys.website), 'content-type': 'text/plain' }
    for (const [headers, status] of [[{}, 401] as const, [text, 415] as const]) {
      const refused = await ask(app, '/embed/', headers)
      expect(refused.status).toBe(status)
      teiErrorBodySchema.parse(await refused.json())
    }
    const wrong = await app.request('/embed/', { method: 'PUT', headers: bearer(keys.website) })
    expect(wrong.status).toBe(405)
    teiErrorBodySchema.parse(await wrong.json())
    const unknown = await ask(app, '/embed/x', bearer(keys.website))
    expect(unknown.status).toBe(404)
    errorBodySchema.parse(await unknown.json())
  })

  it('takes the one of the two headers that is a key', async () => {
    const app = await serve()
    const both = { authorization: 'Bearer eyJhbGciOi.of.a-gateway', 'x-api-key': keys.website }
    expect((await ask(app, '/info', both)).status).toBe(200)
    const other = { ...bearer(keys.website), 'x-api-key': 'a-gateway' }
    expect((await ask(app, '/info', other)).status).toBe(200)
  })

  it('takes the admin token for the admin routes alone, and trusts no address', async () => {
    const app = await serve()
    expect((await ask(app, '/admin/refresh', bearer(ADMIN_TOKEN))).status).toBe(200)
    expect((await ask(app, '/embed', bearer(ADMIN_TOKEN))).status).toBe(403)
    const without = await serve({ ESPALIER_API_KEYS: lines.join(',') })
    expect((await ask(without, '/admin/refresh')).status).toBe(401)
  })

  it('writes the name of a key to the log, and never a key', async () => {
    const app = await serve()
    for (const key of [...Object.values(keys), createKey(), ADMIN_TOKEN]) {
      for (const path of ['/embed', '/admin/refresh', '/livez']) {
        await ask(app, path, bearer(key))
        const answer = await ask(app, path, { 'x-api-key': key })
        expect(await answer.text()).not.toContain(key)
      }
    }
    const log = JSON.stringify(deps.log.lines)
    for (const key of [...Object.values(keys), ADMIN_TOKEN]) expect(log).not.toContain(key)
    for (const line of lines) expect(log).not.toContain(line.split(':')[2])
    expect(log).toContain('"key":"website"')
  })
})

describe('/openapi.json', () => {
  type Document = {
    components?: { securitySchemes?: Record<string, unknown> }
    paths: Record<string, Record<string, { security?: unknown[] }>>
  }
  const read = async (env: Record<string, string>) =>
    (await (await ask(await serve(env), '/openapi.json')).json()) as Document

  it('tells of the keys where there are some', async () => {
    const { components, paths } = await read(settings)
    expect(components?.securitySchemes).toEqual({
      bearer: { type: 'http', scheme: 'bearer' },
      apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
    })
    expect(paths['/embed']?.post?.security).toEqual([{ bearer: [] }, { apiKey: [] }])
    expect(paths['/readyz']?.get?.security).toEqual([])
  })

  it('and of none where there are none, but for the admin token', async () => {
    const open = await read({})
    expect(open.components?.securitySchemes).toBeUndefined()
    expect(open.paths['/embed']?.post?.security).toEqual([])
    const admin = await read({ ESPALIER_ADMIN_TOKEN: ADMIN_TOKEN })
    expect(admin.paths['/admin/refresh']?.post?.security).toEqual([{ bearer: [] }])
    expect(admin.paths['/embed']?.post?.security).toEqual([])
  })
})
