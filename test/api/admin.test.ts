import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { refreshSchema } from '../../shared/contract/admin.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

const TOKEN = 'a-token-for-the-tests'
let registry: Registry
let deps: ApiTestDeps
let app: ApiApp

beforeEach(() => {
  registry = createTestRegistry()
})
afterEach(() => deps.close())

async function serve(options: Parameters<typeof createApiDeps>[0] = {}): Promise<void> {
  deps = await createApiDeps({ registry, ...options })
  app = createApp(deps)
}

/** Asks as the caller at an address would. */
async function refresh(address: string | null, headers: Record<string, string> = {}) {
  const env = address === null ? {} : { incoming: { socket: { remoteAddress: address } } }
  const response = await app.request('/admin/refresh', { method: 'POST', headers }, env)
  return { status: response.status, body: await response.json() }
}

const changes = async () => {
  const { status, body } = await refresh('127.0.0.1')
  expect(status).toBe(200)
  return refreshSchema.parse(body).changes
}

describe('POST /admin/refresh', () => {
  it('moves names now, and says what changed', async () => {
    await publishHead(registry, 'intent', createTestHead('first'))
    await serve()
    expect(await changes()).toEqual([
      { model: 'intent', change: 'added' },
      { model: 'intent', change: 'alias', alias: 'champion', from: null, to: 1 },
    ])
    expect(await changes()).toEqual([])
    await publishHead(registry, 'intent', createTestHead('second'))
    await registry.promote('intent', 1, { alias: 'challenger' })
    expect(await changes()).toEqual([
      { model: 'intent', change: 'alias', alias: 'challenger', from: null, to: 1 },
      { model: 'intent', change: 'alias', alias: 'champion', from: 1, to: 2 },
    ])
    const traffic = [
      { version: 1, percent: 40 },
      { version: 2, percent: 60 },
    ]
    await registry.setTraffic('intent', traffic)
    await registry.setShadow('intent', { version: 1, samplePercent: 5 })
    expect(await changes()).toEqual([
      { model: 'intent', change: 'traffic', traffic },
      { model: 'intent', change: 'shadow', shadow: { version: 1, sample_percent: 5 } },
    ])
    const answer = await postJson(app, '/classify', { model: 'intent@challenger', inputs: 'hi' })
    expect(await answer.text()).toContain('"model":"intent@v1"')
  })

  it('names the versions that it does not take, and why', async () => {
    await publishHead(registry, 'intent', createTestHead('first'))
    await serve()
    await changes()
    const bytes = Uint8Array.of(1, 2, 3)
    await publishHead(registry, 'intent', createTestHead('bad'), { bytes })
    for (let i = 0; i < 2; i++) {
      expect(await changes()).toEqual([
        { model: 'intent@v2', change: 'refused', reason: expect.stringContaining('head') },
      ])
    }
  })

  it('begins a look of its own where one is under way', async () => {
    const [reached, pass] = [gate(), gate()]
    let held = false
    const slow: Registry = {
      ...registry,
      async listModels(options) {
        const models = await registry.listModels(options)
        if (held) return models
        held = true
        reached.open()
        await pass.promise
        return models
      },
    }
    await serve({ registry: slow })
    await reached.promise
    // Too late for the look that has listed the models already.
    await publishHead(registry, 'intent', createTestHead('first'))
    const asked = changes()
    pass.open()
    expect(await asked).toContainEqual({ model: 'intent', change: 'added' })
  })

  it('says that the registry does not answer', async () => {
    const away = new EspalierError('registry_unavailable', 'the store does not answer')
    await serve({ registry: { ...registry, listModels: () => Promise.reject(away) } })
    const { status, body } = await refresh('127.0.0.1')
    expect(status).toBe(503)
    expect(body).toMatchObject({ error: { code: 'registry_unavailable' } })
  })
})

describe('who may call', () => {
  const forbidden = { status: 403, body: { error: { code: 'forbidden' } } }

  it.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'])(
    '%s without a token',
    async (peer) => {
      await serve()
      expect((await refresh(peer)).status).toBe(200)
    },
  )

  it.each(['10.0.0.1', '128.0.0.1', '::2', '::ffff:10.0.0.1', '127.0.0.1.evil', '', null])(
    'not %s without a token',
    async (peer) => {
      await serve()
      expect(await refresh(peer)).toMatchObject(forbidden)
    },
  )

  it('nobody without a token, nor a word that no proxy is on the machine', async () => {
    await serve({ env: { ESPALIER_ADMIN_LOCAL: '0' } })
    const answer = await refresh('127.0.0.1')
    expect(answer).toMatchObject(forbidden)
    expect(JSON.stringify(answer.body)).toContain('ESPALIER_ADMIN_LOCAL=1')
  })

  it('/metrics whoever has the token, where there is one', async () => {
    await serve({ env: { ESPALIER_ADMIN_TOKEN: TOKEN } })
    expect((await app.request('/metrics')).status).toBe(403)
    const headers = { authorization: `Bearer ${TOKEN}` }
    expect((await app.request('/metrics', { headers })).status).toBe(200)
  })

  it.each([
    ['a proxy', { 'x-forwarded-for': '127.0.0.1' }],
    ['a proxy of another kind', { forwarded: 'for=127.0.0.1' }],
    ['a web page', { origin: 'http://evil.example' }],
    ['a web page without an origin', { 'sec-fetch-site': 'cross-site' }],
  ])('not %s on this machine without a token', async (_who, headers) => {
    await serve()
    const answer = await refresh('127.0.0.1', headers)
    expect(answer).toMatchObject(forbidden)
    expect(JSON.stringify(answer.body)).toContain('ESPALIER_ADMIN_TOKEN')
  })

  it('anybody with the token, and nobody without it once there is one', async () => {
    await serve({ env: { ESPALIER_ADMIN_TOKEN: TOKEN } })
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
    expect((await refresh('10.0.0.1', bearer(TOKEN))).status).toBe(200)
    expect((await refresh(null, { authorization: `bearer ${TOKEN}` })).status).toBe(200)
    for (const headers of [
      {},
      bearer(`${TOKEN}x`),
      bearer(TOKEN.slice(1)),
      bearer(''),
      { authorization: TOKEN },
      { authorization: `Basic ${TOKEN}` },
    ]) {
      const answer = await refresh('127.0.0.1', headers)
      expect(answer).toMatchObject(forbidden)
      expect(JSON.stringify(answer.body)).not.toContain(TOKEN)
    }
  })
})

function gate(): { promise: Promise<void>; open: () => void } {
  let open = () => {}
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return { promise, open }
}
