import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import type { LambdaEvent } from 'hono/aws-lambda'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { createLambdaHandlers } from '../../functions/api/lambda/handlers.ts'
import { embedResponseSchema } from '../../shared/contract/embed.ts'
import { errorBodySchema, teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import type { Encoder } from '../../shared/encoder/types.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { postJson } from '../fakes/post-json.ts'

const EVENTS = [
  'api-gateway-v1',
  'api-gateway-v2',
  'function-url',
  'load-balancer',
  'load-balancer-multi-value',
] as const
const INPUTS = ['A cat sleeps on the mat.', 'Der Zug kommt um acht – pünktlich.']
const context = { awsRequestId: 'invocation', getRemainingTimeInMillis: () => 30_000 }

let deps: ApiTestDeps
afterEach(async () => {
  vi.unstubAllGlobals()
  await deps.close()
})

async function open(options: Parameters<typeof createApiDeps>[0] = {}) {
  deps = await createApiDeps(options)
  const app = createApp(deps)
  return { app, ...createLambdaHandlers(app) }
}

/** A whole event as Lambda hands it over, with other parts where given. */
function readEvent(name: (typeof EVENTS)[number], parts: object = {}): LambdaEvent {
  const text = readFileSync(new URL(`../fixtures/lambda/${name}.json`, import.meta.url), 'utf8')
  return { ...(JSON.parse(text) as LambdaEvent), ...parts } as LambdaEvent
}

/** The event with another body, in clear text, and another path. */
function withBody(name: (typeof EVENTS)[number], path: string, body: unknown): LambdaEvent {
  const event = readEvent(name)
  const where = 'rawPath' in event ? { rawPath: path } : { path }
  return { ...event, ...where, body: JSON.stringify(body), isBase64Encoded: false } as LambdaEvent
}

describe('handler', () => {
  it.each(EVENTS)('answers an event of %s as the server answers the request', async (name) => {
    const { app, handler } = await open()
    const result = await handler(readEvent(name), context)
    expect(result).toMatchObject({ statusCode: 200, isBase64Encoded: false })
    const answer = embedResponseSchema.parse(JSON.parse(result.body))
    const direct = await postJson(app, '/embed', { inputs: INPUTS })
    expect(answer).toEqual(await direct.json())
    const headers = result.multiValueHeaders ?? result.headers ?? {}
    const one = (value: unknown) => (result.multiValueHeaders ? [value] : value)
    expect(headers['content-type']).toEqual(one('application/json'))
    expect(headers['x-request-id']).toEqual(one('order-4711'))
    // API Gateway reads the headers of the form that the event has.
    expect(result.multiValueHeaders === undefined).toBe(!('multiValueHeaders' in readEvent(name)))
  })

  it.each(EVENTS)('answers errors of %s in the form of the surface', async (name) => {
    const { handler } = await open()
    const tei = await handler(withBody(name, '/embed', { inputs: [''] }), context)
    expect(tei.statusCode).toBe(400)
    expect(teiErrorBodySchema.parse(JSON.parse(tei.body)).error).toContain('inputs[0]')
    const ours = await handler(withBody(name, '/v1/embeddings', { input: 7 }), context)
    expect(ours.statusCode).toBe(400)
    expect(errorBodySchema.parse(JSON.parse(ours.body)).error.param).toBe('input')
    const lost = await handler(withBody(name, '/no/such/path', {}), context)
    expect(lost.statusCode).toBe(404)
  })

  it('refuses a base64 body that is no JSON', async () => {
    const { handler } = await open()
    const body = Buffer.from([0xff, 0x00]).toString('base64')
    const result = await handler(readEvent('api-gateway-v2', { body }), context)
    expect(result.statusCode).toBe(400)
  })

  it.each(EVENTS)('gives no event of %s the rights of a caller on this machine', async (name) => {
    const { handler } = await open()
    const result = await handler(withBody(name, '/admin/refresh', {}), context)
    expect(result.statusCode).toBe(403)
  })

  it.each(EVENTS)('ends a request of %s before Lambda ends the function', async (name) => {
    const { handler } = await open({ encoder: createHurriedEncoder() })
    const soon = { ...context, getRemainingTimeInMillis: () => 260 }
    const result = await handler(readEvent(name), soon)
    expect(result.statusCode).toBe(504)
    // The time began with the request, and some of it is gone.
    expect(JSON.parse(result.body).error).toMatch(/within ([1-9]|10) ms/)
    const given = readEvent(name)
    for (const headers of [
      given.headers,
      'multiValueHeaders' in given && given.multiValueHeaders,
    ]) {
      if (!headers) continue
      const value = headers === given.headers ? '7' : ['7']
      Object.assign(headers, { 'x-espalier-timeout-ms': value })
    }
    const asked = await handler(given, context)
    expect(JSON.parse(asked.body).error).toMatch(/within [1-7] ms/)
  })

  it.each([
    ['load-balancer', 1024 ** 2],
    ['function-url', 6 * 1024 ** 2],
  ] as const)('says what is wrong where an answer is too large for a %s', async (name, limit) => {
    const { handler } = await open({
      encoder: createFakeEncoder({ dimension: 64 }),
      env: { ESPALIER_MAX_INPUTS: '65536' },
    })
    const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)
    const perText = JSON.parse((await handler(withBody(name, '/embed', { inputs: ['a'] }))).body)
    const bytes = JSON.stringify(perText).length
    const many = await handler(
      withBody(name, '/embed', { inputs: texts(Math.ceil((1.1 * limit) / bytes)) }),
    )
    expect(many.statusCode).toBe(413)
    expect(many.body).toContain(`Lambda sends ${limit} at most`)
    teiErrorBodySchema.parse(JSON.parse(many.body))
  })

  it('says so in the form of the route, behind the name of a stage as well', async () => {
    const { handler } = await open({ encoder: createFakeEncoder({ dimension: 65_536 }) })
    const event = withBody('api-gateway-v2', '/live/embed', { inputs: Array(9).fill('a') })
    const result = await handler(event, context)
    expect(result.statusCode).toBe(413)
    teiErrorBodySchema.parse(JSON.parse(result.body))
  })
})

describe('streamHandler', () => {
  it('is there where the runtime streams, and streams the same answers', async () => {
    expect((await open()).streamHandler).toBeUndefined()
    await deps.close()
    const { metadata, stream, stub } = createStreamRuntime()
    vi.stubGlobal('awslambda', stub)
    const { app, streamHandler } = await open()
    const invoke = streamHandler as unknown as (...args: unknown[]) => Promise<void>
    await invoke(readEvent('api-gateway-v2'), stream, context)
    expect(metadata()).toMatchObject({
      statusCode: 200,
      headers: { 'content-type': 'application/json', 'x-request-id': 'order-4711' },
    })
    const direct = await postJson(app, '/embed', { inputs: INPUTS })
    expect(JSON.parse(stream.text)).toEqual(await direct.json())
  })

  it('ends a request before Lambda ends the function', async () => {
    const { metadata, stream, stub } = createStreamRuntime()
    vi.stubGlobal('awslambda', stub)
    const { streamHandler } = await open({ encoder: createHurriedEncoder() })
    const invoke = streamHandler as unknown as (...args: unknown[]) => Promise<void>
    const soon = { ...context, getRemainingTimeInMillis: () => 260 }
    await invoke(readEvent('function-url'), stream, soon)
    expect(metadata()).toMatchObject({ statusCode: 504 })
    expect(stream.text).toContain('within 10 ms')
  })
})

/** What Lambda's runtime puts into the global scope, as far as it is used. */
function createStreamRuntime() {
  const stream = new (class extends Writable {
    text = ''
    override _write(chunk: Buffer, _encoding: string, done: () => void) {
      this.text += chunk.toString()
      done()
    }
  })()
  let given: unknown
  return {
    stream,
    metadata: () => given,
    stub: {
      streamifyResponse: (handler: unknown) => handler,
      HttpResponseStream: {
        from(target: Writable, metadata: unknown) {
          given = metadata
          return target
        },
      },
    },
  }
}

/** An encoder that says how long it was given. */
function createHurriedEncoder(): Encoder {
  return {
    ...createFakeEncoder(),
    encode: (_inputs, { timeoutMs }) =>
      Promise.reject(new EspalierError('deadline_exceeded', `no answer within ${timeoutMs} ms`)),
  }
}
