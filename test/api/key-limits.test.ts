import { afterEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { errorBodySchema } from '../../shared/contract/error-bodies.ts'
import type { EncodeOptions, Encoder } from '../../shared/encoder/types.ts'
import { createKey, describeKey } from '../../shared/lib/api-keys.ts'
import { parseConfig } from '../../shared/lib/config/config.ts'
import { type ApiTestDeps, createApiDeps, createMemoryLogger } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { openKeys } from '../fakes/open-keys.ts'
import { postJson } from '../fakes/post-json.ts'

const keys = { website: createKey(), batch: createKey(), operator: createKey() }
const KEY_LINES = [
  describeKey('website', ['infer'], keys.website),
  describeKey('batch', ['infer'], keys.batch),
  describeKey('operator', ['admin'], keys.operator),
].join(',')

let deps: ApiTestDeps
afterEach(() => deps.close())

/** A server with limits, on a clock that stands still until it is moved. */
async function serve(
  limits: string,
  encoder = createFakeEncoder(),
  more: Record<string, string> = {},
) {
  const env = { ESPALIER_API_KEYS: KEY_LINES, ESPALIER_KEY_LIMITS: limits, ...more }
  const base = await createApiDeps({ env, encoder })
  const clock = { now: 0, wallMs: () => 0, monotonicMs: () => clock.now }
  deps = Object.assign(base, { keys: await openKeys(base.config), clock })
  return { app: createApp(deps), clock }
}

function embed(app: ApiApp, key: keyof typeof keys, text = 'a'): Promise<Response> {
  const headers = { authorization: `Bearer ${keys[key]}` }
  return postJson(app, '/v1/embeddings', { input: text }, headers)
}

describe('limits of keys', () => {
  it('bound the requests a minute of one key, and say when it goes on', async () => {
    const { app, clock } = await serve('website:requests=2')
    for (const wanted of [200, 200, 429, 429])
      expect((await embed(app, 'website')).status).toBe(wanted)
    const refused = await embed(app, 'website')
    expect(refused.headers.get('retry-after')).toBe('30')
    const { error } = errorBodySchema.parse(await refused.json())
    expect(error).toMatchObject({ code: 'rate_limited', type: 'rate_limit_error' })
    expect(error.message).toContain('the key website has used up its 2 requests a minute')
    expect((await embed(app, 'batch')).status).toBe(200)
    clock.now = 29_999
    expect((await embed(app, 'website')).status).toBe(429)
    clock.now = 30_000
    expect((await embed(app, 'website')).status).toBe(200)
    clock.now = 1e9
    for (const wanted of [200, 200, 429]) expect((await embed(app, 'website')).status).toBe(wanted)
  })

  it('bound the tokens a minute, charged by what was used', async () => {
    const { app, clock } = await serve('*:tokens=10')
    // Six words and two special tokens.
    expect((await embed(app, 'batch', 'a b c d e f')).status).toBe(200)
    expect((await embed(app, 'batch', 'a b c d e f')).status).toBe(200)
    const refused = await embed(app, 'batch')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBe(42)
    expect((await embed(app, 'website')).status).toBe(200)
    clock.now = 42_000
    expect((await embed(app, 'batch')).status).toBe(200)
  })

  it('do not hold for what is no inference', async () => {
    const { app } = await serve('*:requests=1')
    expect((await embed(app, 'website')).status).toBe(200)
    const headers = { authorization: `Bearer ${keys.website}` }
    for (let i = 0; i < 3; i++) {
      expect((await app.request('/v1/models', { headers })).status).toBe(200)
    }
  })

  it.each([
    'website',
    'website:',
    'website:requests=0',
    'website:requests=1.5',
    'website:rate=1',
    'web site:requests=1',
    'website:requests=1,website:tokens=1',
    'website:weight=1001',
  ])('%s is not a limit, which the start says', async (text) => {
    deps = await createApiDeps()
    const failed = () => parseConfig({ ESPALIER_KEY_LIMITS: text })
    expect(failed).toThrow(/ESPALIER_KEY_LIMITS is .*; it must be name:weight=2/)
  })
})

describe('keys beside each other', () => {
  it('reach the queue by name and weight, with what is left of their patience', async () => {
    const fake = createFakeEncoder()
    const seen: EncodeOptions[] = []
    const encode: Encoder['encode'] = (inputs, options) => {
      seen.push(options)
      return fake.encode(inputs, options)
    }
    const { app } = await serve('website:weight=3', { ...fake, encode })
    const headers = { authorization: `Bearer ${keys.website}`, 'x-espalier-timeout-ms': '500' }
    const bodies = {
      '/embed': { inputs: 'a' },
      '/v2/embed': { texts: ['a'] },
      '/v1/embeddings': { input: 'a' },
    }
    for (const [path, body] of Object.entries(bodies)) {
      expect((await postJson(app, path, body, headers)).status).toBe(200)
    }
    await embed(app, 'batch')
    const callers = seen.map(({ caller, timeoutMs }) => [caller?.name, caller?.weight, timeoutMs])
    expect(callers).toEqual([...Array(3).fill(['website', 3, 500]), ['batch', 1, undefined]])
  })

  it('a key that fills the server leaves room for another', async () => {
    let open = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    const { app } = await serve('', createFakeEncoder({ gate: () => opened }))
    const limit = deps.config.maxRequests
    const held = Array.from({ length: limit }, () => embed(app, 'batch'))
    const refused = await embed(app, 'batch')
    expect(refused.status).toBe(429)
    const other = embed(app, 'website')
    open()
    expect((await other).status).toBe(200)
    for (const answer of await Promise.all(held)) expect(answer.status).toBe(200)
  })

  it('a key whose bodies fill the memory for them leaves room for another', async () => {
    let open = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    const more = { ESPALIER_MAX_HELD_BYTES: '4000' }
    const { app } = await serve('', createFakeEncoder({ gate: () => opened }), more)
    const held = embed(app, 'batch', 'x'.repeat(3_900))
    expect((await embed(app, 'batch', 'y'.repeat(900))).status).toBe(429)
    const other = embed(app, 'website', 'z'.repeat(900))
    expect((await embed(app, 'website', 'w'.repeat(900))).status).toBe(429)
    open()
    expect([(await held).status, (await other).status]).toEqual([200, 200])
  })

  it('are counted by name in the metrics', async () => {
    const { app } = await serve('website:requests=1')
    await embed(app, 'website', 'a b')
    await embed(app, 'website', 'a b')
    await embed(app, 'batch', '')
    const headers = { authorization: `Bearer ${keys.operator}` }
    const text = await (await app.request('/metrics', { headers })).text()
    expect(text).toContain('espalier_key_requests_total{key="website",result="answered"} 1')
    expect(text).toContain('espalier_key_requests_total{key="website",result="limited"} 1')
    expect(text).toContain('espalier_key_requests_total{key="batch",result="refused"} 1')
    expect(text).toContain('espalier_key_inputs_total{key="website"} 1')
    expect(text).toContain('espalier_key_tokens_total{key="website"} 4')
    expect(text).not.toContain(keys.website)
  })
})

describe('names in the limits', () => {
  const warnings = async (env: Record<string, string>) => {
    const log = createMemoryLogger()
    const loaded = await openKeys(parseConfig(env), { log })
    loaded?.close()
    return log.lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields)
  }
  const setting = 'ESPALIER_KEY_LIMITS'

  it('that no key has are told at the start, with the key that may be meant', async () => {
    const env = { ESPALIER_API_KEYS: KEY_LINES, ESPALIER_ADMIN_TOKEN: 'a-token-for-the-operator' }
    expect(
      await warnings({ ...env, [setting]: 'websit:requests=2,nobody:weight=2,*:requests=9' }),
    ).toEqual([
      { setting, key: 'websit', nearest: 'website' },
      { setting, key: 'nobody' },
    ])
    expect(await warnings({ ...env, [setting]: 'website:requests=2,*:requests=9' })).toEqual([])
  })

  it('are of no use without keys, which is told too', async () => {
    expect(await warnings({ [setting]: '*:requests=2' })).toEqual([{ setting }])
    expect(await warnings({})).toEqual([])
  })
})
