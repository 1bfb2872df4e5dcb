import { readFileSync } from 'node:fs'
import type { LambdaEvent } from 'hono/aws-lambda'
import { afterEach, describe, expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { createLambdaHandlers } from '../../functions/api/lambda/handlers.ts'
import { embedResponseSchema } from '../../shared/contract/embed.ts'
import { teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import { createKey, describeKey } from '../../shared/lib/api-keys.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { fixedKeys } from '../fakes/open-keys.ts'

const JPEG = readFileSync(new URL('../../infra/examples/shapes/bar/0.jpg', import.meta.url))
const BOUNDARY = 'form-of-the-test'
const FORM = Buffer.concat([
  Buffer.from(
    `--${BOUNDARY}\r\ncontent-disposition: form-data; name="image"; filename="0.jpg"\r\ncontent-type: image/jpeg\r\n\r\n`,
  ),
  JPEG,
  Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
])
const IMAGES = [
  ['a JPEG', 'image/jpeg', JPEG],
  ['a form', `multipart/form-data; boundary=${BOUNDARY}`, FORM],
] as const
const context = { awsRequestId: 'invocation', getRemainingTimeInMillis: () => 30_000 }
const registry = createTestRegistry()
await publishHead(registry, 'intent', createTestHead('first'))

/** A request as a caller sends it. */
interface Sent {
  readonly method?: 'GET' | 'POST'
  readonly path: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

/** A front, with what it makes of a request. */
interface Front {
  readonly name: string
  toEvent(sent: Sent): LambdaEvent
}

const isText = (type = '') => /^(?:text\/|application\/(?:json|javascript|xml))/.test(type)

/** Text as text, the rest in base64: so do HTTP APIs, function URLs and load balancers. */
function bodyByType({ body, headers }: Sent) {
  if (body === undefined) return { body: null, isBase64Encoded: false }
  const isBase64Encoded = !isText(headers?.['content-type'])
  return { body: body.toString(isBase64Encoded ? 'base64' : 'utf8'), isBase64Encoded }
}

/** Everything in base64, as a REST API does with the binary media type of all. */
const bodyAsBase64 = ({ body }: Sent) => ({
  body: body?.toString('base64') ?? null,
  isBase64Encoded: body !== undefined,
})

/** Everything as UTF-8, as a REST API does without binary media types. */
const bodyAsText = ({ body }: Sent) => ({
  body: body?.toString('utf8') ?? null,
  isBase64Encoded: false,
})

const inLists = (values: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value]]))

function fixture(name: string): Record<string, unknown> & { headers: Record<string, string> } {
  const text = readFileSync(new URL(`../fixtures/lambda/${name}.json`, import.meta.url), 'utf8')
  return JSON.parse(text)
}

/** The headers of the fixture that are no caller's, with those of the request. */
function headersOf(given: Readonly<Record<string, string>>, { headers = {} }: Sent) {
  const kept = Object.entries(given).filter(([name]) => !/^(?:content-|authorization)/i.test(name))
  return { ...Object.fromEntries(kept), ...headers }
}

function v2(name: string, stage: string): Front['toEvent'] {
  return (sent) => {
    const { requestContext, ...event } = fixture(name)
    const { cookie, ...headers } = headersOf(event.headers, sent) as Record<string, string>
    const { http, ...rest } = requestContext as { http: object }
    return {
      ...event,
      rawPath: `${stage}${sent.path}`,
      rawQueryString: sent.query ?? '',
      headers,
      ...(cookie !== undefined && { cookies: cookie.split('; ') }),
      requestContext: { ...rest, http: { ...http, method: sent.method ?? 'POST' } },
      ...bodyByType(sent),
    } as unknown as LambdaEvent
  }
}

function v1(
  name: string,
  options: {
    readonly body?: (sent: Sent) => object
    readonly many?: 'only' | 'also' | 'none'
    readonly context?: object
    /** Load balancers hand a query on as it is. */
    readonly decoded?: boolean
  } = {},
): Front['toEvent'] {
  return (sent) => {
    const { requestContext, ...event } = fixture(name)
    const source =
      event.headers ??
      Object.fromEntries(Object.entries(event.multiValueHeaders ?? {}).map(([k, v]) => [k, v[0]]))
    const headers = headersOf(source, sent)
    const parameters = (sent.query ?? '').split('&').filter(Boolean)
    const query = Object.fromEntries(
      parameters.map((each) =>
        each.split('=').map((part) => (options.decoded ? decodeURIComponent(part) : part)),
      ),
    )
    const { many = 'none' } = options
    return {
      ...event,
      path: sent.path,
      httpMethod: sent.method ?? 'POST',
      queryStringParameters: many === 'only' ? undefined : query,
      multiValueQueryStringParameters: many === 'none' ? undefined : inLists(query),
      headers: many === 'only' ? undefined : headers,
      multiValueHeaders: many === 'none' ? undefined : inLists(headers),
      requestContext: { ...(requestContext as object), ...options.context },
      ...(options.body ?? bodyByType)(sent),
    } as unknown as LambdaEvent
  }
}

const REST = { many: 'also', decoded: true } as const
const FRONTS: readonly Front[] = [
  { name: 'an HTTP API', toEvent: v2('api-gateway-v2', '') },
  { name: 'an HTTP API with a stage', toEvent: v2('api-gateway-v2', '/live') },
  { name: 'a function URL', toEvent: v2('function-url', '') },
  {
    name: 'a REST API with binary media types',
    toEvent: v1('api-gateway-v1', { ...REST, body: bodyByType }),
  },
  {
    name: 'a REST API that takes all as binary',
    toEvent: v1('api-gateway-v1', { ...REST, body: bodyAsBase64 }),
  },
  {
    name: 'a private REST API',
    toEvent: v1('api-gateway-v1', {
      ...REST,
      body: bodyByType,
      context: { identity: { vpcId: 'vpc-1', vpceId: 'vpce-1', sourceIp: '10.0.0.7' } },
    }),
  },
  { name: 'a load balancer', toEvent: v1('load-balancer') },
  {
    name: 'a load balancer with lists of values',
    toEvent: v1('load-balancer-multi-value', { many: 'only' }),
  },
]
const TEXT_REST: Front = {
  name: 'a REST API without binary media types',
  toEvent: v1('api-gateway-v1', { ...REST, body: bodyAsText }),
}

let deps: ApiTestDeps
afterEach(() => deps.close())

async function open(front: Front, options: Parameters<typeof createApiDeps>[0] = {}, keys = '') {
  deps = await createApiDeps(options)
  const given = keys === '' ? {} : { keys: await fixedKeys(keys) }
  const { handler } = createLambdaHandlers(createApp({ ...deps, ...given }))
  return async (sent: Sent) => {
    const result = await handler(front.toEvent(sent), context)
    return { status: result.statusCode, body: result.body }
  }
}

const eyes = () => createFakeEncoder({ name: 'eyes', modality: 'image' as const, maxTokens: 64 })
const vectorOf = async (bytes: Buffer) => {
  const { vectors } = await eyes().encode([bytes], {
    truncate: true,
    truncationDirection: 'right',
    normalize: true,
  })
  return vectors
}
const json = (value: unknown): Pick<Sent, 'headers' | 'body'> => ({
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(value)),
})

describe.each(FRONTS)('behind $name', (front) => {
  it('JSON is answered, with what is not ASCII in it', async () => {
    const ask = await open(front)
    const { status, body } = await ask({ path: '/embed', ...json({ inputs: ['Grüße – 猫'] }) })
    expect(status).toBe(200)
    const { vectors } = await createFakeEncoder().encode(['Grüße – 猫'], {
      truncate: true,
      truncationDirection: 'right',
      normalize: true,
    })
    expect(Float32Array.from(embedResponseSchema.parse(JSON.parse(body))[0] ?? [])).toEqual(vectors)
  })

  it.each(IMAGES)('%s arrives byte for byte', async (_what, type, bytes) => {
    const ask = await open(front, { encoder: eyes() })
    const { status, body } = await ask({
      path: '/embed',
      query: 'model=eyes',
      headers: { 'content-type': type },
      body: bytes,
    })
    expect(status).toBe(200)
    const [vector = []] = embedResponseSchema.parse(JSON.parse(body))
    expect(Float32Array.from(vector)).toEqual(await vectorOf(JPEG))
  })

  it('a path is answered with its characters encoded, and broken ones are refused', async () => {
    const ask = await open(front, { registry })
    for (const path of ['/v1/models/intent@v1', '/v1/models/intent%40v1']) {
      const { status, body } = await ask({ method: 'GET', path })
      expect(status).toBe(200)
      expect(JSON.parse(body)).toMatchObject({ id: 'intent' })
    }
    expect((await ask({ method: 'GET', path: '/v1/models/intent%40v9' })).status).toBe(404)
    for (const path of ['/v1/models/%zz', '/v1/models/a%2Fb', '/v1/models/a%00']) {
      const { status } = await ask({ method: 'GET', path })
      expect([400, 404]).toContain(status)
    }
  })

  it('keys arrive in either header, and no cookie is one', async () => {
    const key = createKey()
    const ask = await open(front, {}, describeKey('site', ['infer'], key))
    const get = async (headers: Record<string, string>) =>
      (await ask({ method: 'GET', path: '/info', headers })).status
    expect(await get({ authorization: `Bearer ${key}`, cookie: 'a=1; b=2' })).toBe(200)
    expect(await get({ 'x-api-key': key })).toBe(200)
    expect(await get({ cookie: `x-api-key=${key}; authorization=Bearer ${key}` })).toBe(401)
    expect(await get({})).toBe(401)
  })

  it('an image over the limit is refused with the limit', async () => {
    const env = { ESPALIER_MAX_IMAGE_BYTES: String(JPEG.length - 1) }
    const ask = await open(front, { encoder: eyes(), env })
    const headers = { 'content-type': 'image/jpeg' }
    const { status, body } = await ask({ path: '/embed', headers, body: JPEG })
    expect(status).toBe(413)
    expect(teiErrorBodySchema.parse(JSON.parse(body)).error).toContain(
      `the limit is ${JPEG.length - 1} bytes per image`,
    )
  })
})

describe(`behind ${TEXT_REST.name}`, () => {
  it('JSON is answered', async () => {
    const ask = await open(TEXT_REST)
    expect((await ask({ path: '/embed', ...json({ inputs: 'a cat' }) })).status).toBe(200)
  })

  it.each(IMAGES)(
    '%s is refused with what the gateway has to be told',
    async (_what, type, bytes) => {
      const ask = await open(TEXT_REST, { encoder: eyes() })
      const sent = { path: '/embed', headers: { 'content-type': type }, body: bytes }
      const { status, body } = await ask(sent)
      expect(status).toBe(415)
      expect(teiErrorBodySchema.parse(JSON.parse(body)).error).toContain(
        'needs the binary media types image/* and multipart/form-data',
      )
    },
  )
})

describe('an event of another kind', () => {
  it.each([
    [{ Records: [{ eventSource: 'aws:sqs', body: 'secret' }] }, 'it has "Records"'],
    [{ 'detail-type': 'Scheduled Event', source: 'aws.events' }, 'it has "detail-type, source"'],
    [{}, 'it is empty'],
    [null, 'it is empty'],
    [{ path: '/embed' }, 'it has "path"'],
  ])('%o ends the invocation, with what it looks like', async (event, reason) => {
    deps = await createApiDeps()
    const { handler } = createLambdaHandlers(createApp(deps))
    const failure = await handler(event as never, context).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(
        `no event of API Gateway (REST or HTTP), a load balancer or a function URL: ${reason}`,
      ),
    })
    expect(String(failure)).not.toContain('secret')
  })
})
