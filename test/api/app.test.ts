import { describe, expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { errorBodySchema, teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import { healthSchema } from '../../shared/contract/health.ts'
import { infoSchema } from '../../shared/contract/info.ts'
import { modelListSchema, modelSchema } from '../../shared/contract/models.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { postJson } from '../fakes/post-json.ts'

const deps = await createApiDeps()
const app = createApp(deps)

describe('models', () => {
  it('lists what requests may name', async () => {
    const answer = await app.request('/v1/models')
    const { data } = modelListSchema.parse(await answer.json())
    expect(data).toHaveLength(1)
    expect(data[0]).toMatchObject({
      id: 'fake-encoder',
      kind: 'embedding',
      created: 1_700_000_000,
      versions: [1],
      aliases: { champion: 1 },
      dimension: 8,
    })
  })

  it.each(['fake-encoder', 'fake-encoder@v1', 'fake-encoder%40champion'])(
    'describes %s',
    async (id) => {
      const answer = await app.request(`/v1/models/${id}`)
      expect(modelSchema.parse(await answer.json()).id).toBe('fake-encoder')
    },
  )

  it.each([
    ['nothing', 404, 'model_not_found'],
    ['fake-encoder@v9', 404, 'version_not_found'],
    ['__proto__', 400, 'invalid_name'],
    ['%E0%A4%A', 400, 'invalid_name'],
  ])('refuses %s', async (id, status, code) => {
    const answer = await app.request(`/v1/models/${id}`)
    expect(answer.status).toBe(status)
    expect(errorBodySchema.parse(await answer.json()).error.code).toBe(code)
  })
})

describe('GET /info', () => {
  it('describes the default encoder and the limits', async () => {
    const info = infoSchema.parse(await (await app.request('/info')).json())
    expect(info).toMatchObject({
      model_id: 'fake-encoder',
      max_input_length: 16,
      max_client_batch_size: 2048,
      auto_truncate: true,
      fingerprint: 'f'.repeat(64),
    })
  })
})

describe('health', () => {
  const readinessPaths = ['/readyz', '/healthz', '/health', '/ping']

  it('follows the readiness of the process', async () => {
    const own = await createApiDeps({ starting: true })
    const server = createApp(own)
    const ask = async (path: string) => {
      const answer = await server.request(path)
      return [answer.status, healthSchema.parse(await answer.json()).status]
    }
    for (const path of readinessPaths) expect(await ask(path)).toEqual([503, 'starting'])
    const early = await postJson(server, '/v1/embeddings', { input: 'a' })
    expect(early.status).toBe(503)
    expect(early.headers.get('retry-after')).toBe('1')
    expect(early.headers.get('x-should-retry')).toBe('true')
    expect(errorBodySchema.parse(await early.json()).error.code).toBe('model_loading')
    own.readiness.markReady()
    for (const path of readinessPaths) expect(await ask(path)).toEqual([200, 'ok'])
    expect((await postJson(server, '/embed', { inputs: 'a' })).status).toBe(200)
    own.readiness.markStopping()
    for (const path of readinessPaths) expect(await ask(path)).toEqual([503, 'stopping'])
    expect(await ask('/livez')).toEqual([200, 'ok'])
    const late = await postJson(server, '/embed', { inputs: 'a' })
    expect(late.status).toBe(200)
    expect(late.headers.get('connection')).toBe('close')
  })
})

describe('health without workers', () => {
  it('readiness goes first, then liveness, and both come back', async () => {
    let lostMs = 0
    const encoder = createFakeEncoder({ lostMs: () => lostMs })
    const server = createApp(await createApiDeps({ encoder }))
    const ask = async (path: string) => {
      const answer = await server.request(path)
      return [answer.status, healthSchema.parse(await answer.json()).status]
    }
    const both = async () => [await ask('/readyz'), await ask('/livez')]
    const ok = [200, 'ok']
    const lost = [503, 'workers_lost']
    lostMs = 9_999
    expect(await both()).toEqual([ok, ok])
    lostMs = 10_000
    expect(await both()).toEqual([lost, ok])
    lostMs = 60_000
    expect(await both()).toEqual([lost, lost])
    lostMs = 0
    expect(await both()).toEqual([ok, ok])
  })
})

describe('routing', () => {
  it('answers unknown paths with 404', async () => {
    const answer = await app.request('/nope?text=secret')
    expect(answer.status).toBe(404)
    const body = errorBodySchema.parse(await answer.json())
    expect(body).toMatchObject({ instance: '/nope', status: 404, title: 'Route not found' })
    expect(body.error.code).toBe('route_not_found')
  })

  it('answers wrong methods with 405 and the right ones', async () => {
    const get = await app.request('/v1/embeddings')
    expect(get.status).toBe(405)
    expect(get.headers.get('allow')).toBe('POST')
    expect(errorBodySchema.parse(await get.json()).message).toContain('takes POST, not GET')
    const tei = await app.request('/embed', { method: 'DELETE' })
    expect(tei.status).toBe(405)
    expect(teiErrorBodySchema.parse(await tei.json()).error).toContain('takes POST, not DELETE')
    const one = await app.request('/v1/models/x', { method: 'PUT' })
    expect(one.headers.get('allow')).toBe('GET')
  })
})

describe('request ids', () => {
  it('takes over a plain one and mints the rest', async () => {
    const ask = async (id?: string) => {
      const answer = await app.request('/livez', id ? { headers: { 'x-request-id': id } } : {})
      return answer.headers.get('x-request-id')
    }
    expect(await ask('trace-1.a:b_c')).toBe('trace-1.a:b_c')
    for (const id of [undefined, 'a b', 'x'.repeat(129), '{"a":1}']) {
      expect(await ask(id)).toMatch(/^req_[0-9a-f]{24}$/)
    }
  })

  it('finds the log line and the error', async () => {
    await postJson(app, '/embed', { inputs: 'a b' }, { 'x-request-id': 'id-1' })
    await postJson(app, '/embed', { inputs: '' }, { 'x-request-id': 'id-2' })
    const lines = deps.log.lines.map(({ fields }) => fields)
    expect(lines.find(({ requestId }) => requestId === 'id-1')).toMatchObject({
      method: 'POST',
      path: '/embed',
      status: 200,
      model: 'fake-encoder@v1',
      inputs: 1,
      tokens: 4,
    })
    expect(lines.find(({ requestId }) => requestId === 'id-2')).toMatchObject({
      status: 400,
      errorCode: 'empty_input',
    })
  })
})

describe('faults of our own', () => {
  it('stay hidden from the caller and go to the log', async () => {
    const encoder = createFakeEncoder({
      gate: async () => {
        throw new Error('secret detail')
      },
    })
    const own = await createApiDeps({ encoder })
    const answer = await postJson(createApp(own), '/v1/embeddings', { input: 'a' })
    expect(answer.status).toBe(500)
    const text = await answer.text()
    expect(text).not.toContain('secret detail')
    expect(errorBodySchema.parse(JSON.parse(text)).error).toMatchObject({
      code: 'internal',
      type: 'server_error',
    })
    const logged = own.log.lines.find(({ level }) => level === 'error')
    expect(String(logged?.fields.err)).toContain('secret detail')
  })
})

/** An application whose encoder holds every request until opened; `full` tells that `count` are inside. */
async function createHeldApp(count: number, env: Record<string, string>) {
  const opened = withResolvers()
  const full = withResolvers()
  let inside = 0
  const encoder = createFakeEncoder({
    gate: () => {
      if (++inside === count) full.resolve()
      return opened.promise
    },
  })
  const deps = await createApiDeps({ encoder, env })
  return {
    app: createApp(deps),
    lines: deps.log.lines,
    full: full.promise,
    open: opened.resolve,
  }
}

describe('admission', () => {
  it('holds a bounded number of requests', async () => {
    const held = await createHeldApp(2, { ESPALIER_MAX_REQUESTS: '2' })
    const asked = [1, 2].map(() => postJson(held.app, '/embed', { inputs: 'a' }))
    await held.full
    const refused = await postJson(held.app, '/embed', { inputs: 'a' })
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(teiErrorBodySchema.parse(await refused.json()).error_type).toBe('Overloaded')
    expect((await held.app.request('/livez')).status).toBe(200)
    held.open()
    for (const answer of await Promise.all(asked)) expect(answer.status).toBe(200)
    expect((await postJson(held.app, '/embed', { inputs: 'a' })).status).toBe(200)
  })

  it('holds a bounded number of bytes, and lets a lone large body in', async () => {
    const held = await createHeldApp(1, { ESPALIER_MAX_HELD_BYTES: '2048' })
    const large = { inputs: 'x'.repeat(4000) }
    const asked = postJson(held.app, '/embed', large)
    await held.full
    const refused = await postJson(held.app, '/v1/embeddings', { input: 'a' })
    expect(refused.status).toBe(429)
    expect(errorBodySchema.parse(await refused.json()).error).toMatchObject({
      code: 'overloaded',
      type: 'rate_limit_error',
    })
    held.open()
    expect((await asked).status).toBe(200)
    expect((await postJson(held.app, '/embed', large)).status).toBe(200)
  })
})

describe('x-espalier-timeout-ms', () => {
  it('answers 504 when the time is up, in the form of the route', async () => {
    const held = await createHeldApp(1, {})
    const hasty = { 'x-espalier-timeout-ms': '1' }
    const tei = await postJson(held.app, '/embed', { inputs: 'a' }, hasty)
    expect(tei.status).toBe(504)
    expect(teiErrorBodySchema.parse(await tei.json()).error).toMatch('1 ms')
    const openai = await postJson(held.app, '/v1/embeddings', { input: 'a' }, hasty)
    expect(openai.status).toBe(504)
    expect(errorBodySchema.parse(await openai.json()).error.code).toBe('deadline_exceeded')
    const lines = held.lines.filter(({ fields }) => fields.status === 504)
    expect(lines.map(({ level }) => level)).toEqual(['info', 'info'])
    expect(held.lines.filter(({ level }) => level === 'error')).toEqual([])
    held.open()
    const patient = { 'x-espalier-timeout-ms': '3600000' }
    expect((await postJson(held.app, '/embed', { inputs: 'a' }, patient)).status).toBe(200)
  })

  it.each(['', '0', '-1', '1.5', 'soon', '3600001', '99999999999'])(
    'refuses "%s"',
    async (value) => {
      const headers = { 'x-espalier-timeout-ms': value }
      const answer = await postJson(app, '/v1/embeddings', { input: 'a' }, headers)
      expect(answer.status).toBe(400)
      expect(errorBodySchema.parse(await answer.json()).error).toMatchObject({
        code: 'invalid_request',
        param: 'x-espalier-timeout-ms',
      })
    },
  )
})

describe('GET /metrics', () => {
  it('counts requests, tokens and errors under few labels', async () => {
    const own = createApp(await createApiDeps())
    await postJson(own, '/embed', { inputs: ['a', 'b c'] })
    await postJson(own, '/embed', { inputs: '' })
    await own.request('/v1/models/fake-encoder')
    for (let i = 0; i < 3; i++) await own.request(`/nope/${i}`)
    const answer = await own.request('/metrics')
    expect(answer.headers.get('content-type')).toContain('text/plain')
    const text = await answer.text()
    for (const line of [
      'espalier_http_requests_total{method="POST",route="/embed",status="200"} 1',
      'espalier_http_requests_total{method="POST",route="/embed",status="400"} 1',
      'espalier_http_requests_total{method="GET",route="/v1/models/:id",status="200"} 1',
      'espalier_http_requests_total{method="GET",route="none",status="404"} 3',
      'espalier_errors_total{code="empty_input"} 1',
      'espalier_inputs_total{model="fake-encoder@v1"} 2',
      'espalier_tokens_total{model="fake-encoder@v1"} 7',
      'espalier_queue_tokens 0',
      'espalier_shared_inputs_total 0',
      'espalier_worker_crashes_total 0',
    ]) {
      expect(text).toContain(line)
    }
  })
})

describe('GET /openapi.json', () => {
  it('describes every route', async () => {
    const answer = await app.request('/openapi.json')
    const document = (await answer.json()) as { openapi: string; paths: Record<string, object> }
    expect(document.openapi).toBe('3.1.0')
    const routes = app.routes
      .filter(({ method, path }) => method !== 'ALL' && path !== '/openapi.json')
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(described.sort()).toEqual(
      [...new Set(routes)].filter((r) => r !== 'GET /metrics').sort(),
    )
  })
})

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
