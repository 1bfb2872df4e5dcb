import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { API_PATHS, PROBE_PATHS } from '../../cdk/constructs/listener-conditions.ts'
import { type Answer, type Call, readRules } from './listener-rules.ts'
import { type ContextValues, EVERYTHING, ofType, synthesize } from './synthesize.ts'

const STACK = 'EspalierGpuApi'
const KEYS = EVERYTHING['gpu.keys'] as string
const HOST = 'models.example.com'
const GPU = { ...EVERYTHING, stacks: 'store,cpu,gpu' }
const BOTH_KEYS = { ...GPU, 'cpu.iam': 'false', 'cpu.keys': KEYS, 'gpu.fallback': 'true' }
const TOKENS = {
  'gpu.keys': '',
  'gpu.jwt.issuer': 'https://issuer.example.com',
  'gpu.jwt.audience': 'espalier',
}

const bearer = { authorization: 'Bearer esp_0123456789' }
const plain = { 'x-api-key': 'esp_0123456789' }
const exact = { 'x-espalier-fingerprint': 'fp_0123' }
const embed = (headers: Call['headers'] = {}): Call => ({ host: HOST, path: '/embed', headers })

/** What a scanner tries: none of it may reach a function or a task while there is no task. */
const SCANNED: readonly Call[] = [
  { host: '203.0.113.7', path: '/' },
  { host: '203.0.113.7', path: '/embed', headers: bearer },
  { host: HOST, path: '/' },
  { host: HOST, path: '/.env', headers: plain },
  { host: HOST, path: '/wp-login.php' },
  { host: HOST, path: '/metrics', headers: bearer },
  { host: HOST, path: '/admin/snapshot/before', headers: bearer },
  { host: HOST, path: '/embed' },
  { host: HOST, path: '/embed', headers: { authorization: 'Basic YWRtaW46YWRtaW4=' } },
  { host: HOST, path: '/embed', headers: { authorization: 'Bearer ' } },
  { host: HOST, path: '/v1/models' },
  { host: HOST, path: '/health' },
  { host: HOST, path: '/openapi.json' },
]

describe('who answers a call', () => {
  const synthesis = synthesize(BOTH_KEYS)
  const ask = readRules(synthesis, STACK)

  it.each<[string, Call, Answer, Answer]>([
    ['with a key', embed(bearer), 'gpu', 'fallback'],
    ['with a key in the other header', embed(plain), 'gpu', 'fallback'],
    ['with a key and a fingerprint', embed({ ...bearer, ...exact }), 'gpu', 'waking'],
    ['with the other header and a fingerprint', embed({ ...plain, ...exact }), 'gpu', 'waking'],
    ['of OpenAI', { host: HOST, path: '/v1/embeddings', headers: bearer }, 'gpu', 'fallback'],
    ['for a model', { host: HOST, path: '/v1/models/a@v7', headers: bearer }, 'gpu', 'fallback'],
    ['with a slash', { host: HOST, path: '/embed/', headers: bearer }, 'gpu', 'fallback'],
    ['of a host in capitals', { ...embed(bearer), host: 'MODELS.example.com' }, 'gpu', 'fallback'],
    ['without a key', embed(), 'gpu', 401],
    ['with a fingerprint and no key', embed(exact), 'gpu', 401],
    ['for nothing that there is', { host: HOST, path: '/embedded', headers: bearer }, 404, 404],
    ['for another host', { host: '203.0.113.7', path: '/embed', headers: bearer }, 404, 404],
    ['of a probe', { host: HOST, path: '/health' }, 200, 200],
    ['for the description', { host: HOST, path: '/openapi.json' }, 404, 404],
  ])('%s', (_, call, awake, asleep) => {
    expect(ask(call, 'awake')).toBe(awake)
    expect(ask(call, 'asleep')).toBe(asleep)
  })

  it.each(SCANNED)('is the load balancer itself for $host$path', (call) => {
    expect(ask(call, 'asleep')).toBeTypeOf('number')
    // Awake, what looks like the API goes to a task, which refuses it without being kept up by it.
    if (call.host !== HOST || !new RegExp(API_PATHS).test(call.path)) {
      expect(ask(call, 'awake')).toBeTypeOf('number')
    }
  })

  it('is the function of the endpoint on Lambda by its alias, which lets load balancers call it', () => {
    const groups = ofType(synthesis, STACK, 'AWS::ElasticLoadBalancingV2::TargetGroup')
    const lambdas = groups.filter(({ Properties }) => Properties?.TargetType === 'lambda')
    expect(lambdas).toHaveLength(2)
    for (const { Properties } of lambdas) expect(Properties?.HealthCheckEnabled).toBe(false)
    const targets = JSON.stringify(lambdas)
    expect(targets).toContain('EspalierCpuApi')
    const permissions = ofType(synthesis, STACK, 'AWS::Lambda::Permission')
    expect(permissions).toHaveLength(2)
    for (const { Properties } of permissions) {
      expect(Properties).toMatchObject({ Principal: 'elasticloadbalancing.amazonaws.com' })
      expect(JSON.stringify(Properties?.SourceArn)).toContain(':targetgroup/*')
    }
    // The stack of the function does not wait for the one that calls it.
    expect(synthesis.text('EspalierCpuApi')).not.toContain(STACK)
  })
})

describe('who answers a call without the endpoint on Lambda', () => {
  const ask = readRules(synthesize({ ...GPU, stacks: 'store,gpu' }), STACK)

  it.each<[string, Call, Answer, Answer]>([
    ['with a key', embed(bearer), 'gpu', 'waking'],
    ['with a key and a fingerprint', embed({ ...bearer, ...exact }), 'gpu', 'waking'],
    ['without a key', embed(), 'gpu', 401],
  ])('%s', (_, call, awake, asleep) => {
    expect(ask(call, 'awake')).toBe(awake)
    expect(ask(call, 'asleep')).toBe(asleep)
  })

  it.each(SCANNED)('is the load balancer itself for $host$path', (call) => {
    expect(ask(call, 'asleep')).toBeTypeOf('number')
  })
})

describe('who answers a call with a token', () => {
  const ask = readRules(
    synthesize({
      ...GPU,
      ...TOKENS,
      'cpu.iam': 'false',
      'cpu.jwt.issuer': 'https://issuer.example.com',
      'cpu.jwt.audience': 'espalier',
      'gpu.fallback': 'true',
    }),
    STACK,
  )

  it.each<[string, Call, boolean, Answer, Answer]>([
    ['that is good', embed(bearer), true, 'gpu', 'fallback'],
    ['that is good, for its own vectors', embed({ ...bearer, ...exact }), true, 'gpu', 'waking'],
    ['that is not', embed(bearer), false, 401, 401],
    ['that is not there', embed(), false, 401, 401],
    ['for another host', { ...embed(bearer), host: '203.0.113.7' }, true, 404, 404],
  ])('%s', (_, call, hasToken, awake, asleep) => {
    expect(ask(call, 'awake', hasToken)).toBe(awake)
    expect(ask(call, 'asleep', hasToken)).toBe(asleep)
  })
})

describe('who answers a call out of hours', () => {
  const hours = { ...BOTH_KEYS, 'gpu.idle': 'schedule' }

  it('is the endpoint on Lambda, which says itself that its vectors are others', () => {
    const ask = readRules(synthesize(hours), STACK)
    expect(ask(embed(bearer), 'asleep')).toBe('fallback')
    expect(ask(embed({ ...bearer, ...exact }), 'asleep')).toBe('fallback')
    expect(ask(embed(), 'asleep')).toBe(401)
    expect(ask({ host: HOST, path: '/readyz' }, 'awake')).toBe('gpu')
    expect(ask({ host: HOST, path: '/openapi.json' }, 'awake')).toBe('gpu')
    expect(ask({ host: HOST, path: '/metrics', headers: bearer }, 'awake')).toBe(404)
  })

  it('is the endpoint on Lambda too where a task always runs, but none is healthy', () => {
    const synthesis = synthesize({ ...hours, 'gpu.idle': 'never' })
    const ask = readRules(synthesis, STACK)
    expect(ask(embed(bearer), 'awake')).toBe('gpu')
    expect(ask(embed(bearer), 'asleep')).toBe('fallback')
    expect(ofType(synthesis, STACK, 'AWS::StepFunctions::StateMachine')).toHaveLength(1)
  })

  it.each(['schedule', 'never'])(
    'is nobody where there is none (%s), and nothing is moved',
    (idle) => {
      const synthesis = synthesize({ ...hours, 'gpu.idle': idle, 'gpu.fallback': 'false' })
      expect(ofType(synthesis, STACK, 'AWS::ElasticLoadBalancingV2::ListenerRule')).toHaveLength(1)
      expect(ofType(synthesis, STACK, 'AWS::StepFunctions::StateMachine')).toEqual([])
    },
  )
})

describe('the endpoint on Lambda answers for that on GPUs', () => {
  it.each<[string, ContextValues, RegExp]>([
    [
      'with other keys',
      { 'cpu.keys': `${KEYS.slice(0, -6)}GhIjKl` },
      /does not have the same keys/,
    ],
    ['with AWS credentials', { 'cpu.keys': '', 'cpu.iam': 'true' }, /does not have the same keys/],
    ['with keys where it takes tokens', TOKENS, /asks for keys, which callers with tokens/],
    [
      'closed where it is open',
      { 'gpu.keys': '', 'gpu.open': 'true' },
      /it is open and the endpoint/,
    ],
    [
      'without being there',
      { stacks: 'store,gpu' },
      /^gpu\.fallback is true, and stacks has no cpu/,
    ],
  ])('not %s', (_, values, message) => {
    expect(() => synthesize({ ...BOTH_KEYS, ...values })).toThrow(message)
  })
})

describe('paths of the load balancer', () => {
  it('are those of every route', () => {
    const file = new URL('../../docs/openapi.json', import.meta.url)
    const { paths } = JSON.parse(readFileSync(file, 'utf8')) as { paths: object }
    const known = [API_PATHS, PROBE_PATHS].map((source) => new RegExp(source))
    const names = Object.keys(paths).map((path) => path.replace('{id}', 'name@v7'))
    expect(names.length).toBeGreaterThan(10)
    expect(names.filter((path) => !known.some((each) => each.test(path)))).toEqual([])
  })
})
