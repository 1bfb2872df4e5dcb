import { afterEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { checkOrigins, chooseHosts } from '../../functions/boot/guard.ts'
import { parseConfig } from '../../shared/lib/config/config.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { openKeys } from '../fakes/open-keys.ts'

const PAGE = 'https://app.example.com'
let deps: ApiTestDeps
afterEach(() => deps?.close())

async function serve(
  env: Record<string, string> = {},
  hosts?: readonly string[] | null,
): Promise<ApiApp> {
  const base = await createApiDeps({ env })
  deps = Object.assign(base, { hosts: hosts ?? undefined, keys: await openKeys(base.config) })
  return createApp(deps)
}

const preflight = (origin: string) => ({
  method: 'OPTIONS',
  headers: {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type',
  },
})
const embed = (origin: string) => ({
  method: 'POST',
  headers: { origin, 'content-type': 'application/json' },
  body: '{"inputs":"a cat"}',
})

describe('pages of other origins', () => {
  it('are told nothing by default', async () => {
    const app = await serve()
    const asked = await app.request('/embed', preflight(PAGE))
    expect(asked.status).toBe(405)
    const answer = await app.request('/embed', embed(PAGE))
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
  })

  it('may call where they are named, and read answers, errors too', async () => {
    const env = { ESPALIER_CORS_ORIGINS: `${PAGE},http://localhost:5173` }
    const app = await serve(env)
    const asked = await app.request('/embed', preflight(PAGE))
    expect(asked.status).toBe(204)
    expect(asked.headers.get('access-control-allow-origin')).toBe(PAGE)
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST')
    expect(asked.headers.get('access-control-allow-headers')).toContain('authorization')
    const answer = await app.request('/embed', embed('http://localhost:5173'))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('access-control-allow-origin')).toBe('http://localhost:5173')
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-espalier-model')
    const refused = await app.request('/embed', { ...embed(PAGE), body: '{' })
    expect(refused.status).toBe(400)
    expect(refused.headers.get('access-control-allow-origin')).toBe(PAGE)
    for (const origin of ['https://evil.example', `${PAGE}.evil.example`, 'null']) {
      const other = await app.request('/embed', preflight(origin))
      expect(other.headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  it('are asked for the key, but not in a preflight', async () => {
    const key = `website:infer:${'0'.repeat(64)}`
    const app = await serve({ ESPALIER_CORS_ORIGINS: PAGE, ESPALIER_API_KEYS: key })
    expect((await app.request('/embed', preflight(PAGE))).status).toBe(204)
    const answer = await app.request('/embed', embed(PAGE))
    expect(answer.status).toBe(401)
    expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE)
  })

  it('may all call with *, unless there are keys', async () => {
    const app = await serve({ ESPALIER_CORS_ORIGINS: '*' })
    const asked = await app.request('/embed', preflight('https://any.example'))
    expect(asked.headers.get('access-control-allow-origin')).toBe('*')
    const config = parseConfig({ ESPALIER_CORS_ORIGINS: '*' })
    expect(() => checkOrigins(config, false)).not.toThrow()
    expect(() => checkOrigins(config, true)).toThrow(/ESPALIER_CORS_ORIGINS is \*/)
  })

  it.each(['app.example.com', 'https://a.example/path', 'https://*.example.com', 'a b', '*,*'])(
    'cannot be set as %s',
    (value) => {
      expect(() => parseConfig({ ESPALIER_CORS_ORIGINS: value })).toThrow(/ESPALIER_CORS_ORIGINS/)
    },
  )
})

describe('the hosts of a server', () => {
  const local = chooseHosts({ host: '127.0.0.1', hosts: undefined }, false, false)
  const ask = (app: ApiApp, host: string | null, path = '/v1/models') =>
    app.request(path, { headers: host === null ? {} : { host } })

  it.each(['localhost', 'localhost:8080', '127.0.0.1:8080', '[::1]:8080', 'LOCALHOST', null])(
    'without keys on this machine are its own names: %s',
    async (host) => {
      expect((await ask(await serve({}, local), host)).status).toBe(200)
    },
  )

  it.each(['evil.example', 'evil.example:8080', 'localhost.evil.example', '10.0.0.1', ''])(
    'are not %j then, for any route',
    async (host) => {
      const app = await serve({}, local)
      for (const path of ['/v1/models', '/metrics', '/livez', '/no/such/path']) {
        const answer = await ask(app, host, path)
        expect(answer.status, path).toBe(403)
        expect(await answer.text()).toContain('ESPALIER_HOSTS')
      }
    },
  )

  it('are any where keys, a gateway or another address stand for it', () => {
    const open = { host: '0.0.0.0', hosts: undefined }
    const loopback = { host: '127.0.0.1', hosts: undefined }
    expect(chooseHosts(open, false, false)).toBeNull()
    expect(chooseHosts(loopback, true, false)).toBeNull()
    expect(chooseHosts(loopback, false, true)).toBeNull()
  })

  it('are those of the setting, and those of this machine', () => {
    const { hosts } = parseConfig({ ESPALIER_HOSTS: 'Models.Example.com,[fd00::1]' })
    const chosen = chooseHosts({ host: '0.0.0.0', hosts }, true, false)
    expect(chosen).toEqual(expect.arrayContaining(['models.example.com', '[fd00::1]', 'localhost']))
    const any = parseConfig({ ESPALIER_HOSTS: '*' })
    expect(chooseHosts({ host: '127.0.0.1', hosts: any.hosts }, false, false)).toBeNull()
    expect(() => parseConfig({ ESPALIER_HOSTS: 'models.example.com:443' })).toThrow(
      /ESPALIER_HOSTS/,
    )
  })
})
