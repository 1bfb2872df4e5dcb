import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { ERROR_STATUS } from '../../functions/api/responses/errors.ts'
import { errorBodySchema, teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { postJson } from '../fakes/post-json.ts'

const deps = await createApiDeps({ env: { ESPALIER_MAX_BODY_BYTES: '8388608' } })
const app = createApp(deps)

const unknownKeys = '{"__proto__":{"inputs":"x"},"constructor":1}'
const deep = `{"input":${'['.repeat(1_000_000)}`
const cases: [name: string, body: unknown, code: keyof typeof ERROR_STATUS, message: string][] = [
  ['no body', '', 'invalid_json', 'the body is empty'],
  [
    'broken JSON',
    '{"inputs": abc}',
    'invalid_json',
    'line 1, column 12 (position 11): expected a v',
  ],
  ['an array', '[]', 'invalid_request', 'the body must be an object, not an array'],
  ['null', 'null', 'invalid_request', 'the body must be an object, not null'],
  ['no inputs', {}, 'invalid_request', ' is missing; it must be a string or an array'],
  ['prototype keys', unknownKeys, 'invalid_request', ' is missing'],
  [
    'a number',
    { inputs: 7 },
    'invalid_request',
    ' must be a string or an array or an object, not a number',
  ],
  [
    'a null',
    { inputs: ['a', null] },
    'invalid_request',
    '[1] must be a string or an object, not null',
  ],
  [
    'an object',
    { inputs: ['a', 'b', {}] },
    'invalid_request',
    '[2].image is missing; it must be a string',
  ],
  ['an empty list', { inputs: [] }, 'empty_input', ' is an empty list'],
  ['an empty text', { inputs: ['a', 'b', 'c', ''] }, 'empty_input', '[3] is an empty string'],
  ['10,000 inputs', { inputs: Array(10_000).fill('a') }, 'too_many_inputs', 'the limit is 2048'],
  [
    'wrong items',
    `{"inputs":[${'"a",'.repeat(1e6)}0]}`,
    'too_many_inputs',
    'has more than 2048 items',
  ],
  ['5 MB of text', { inputs: ['a', 'x'.repeat(5e6)] }, 'input_too_large', '[1] has 5000000 bytes'],
  ['a huge body', { inputs: 'x'.repeat(9e6) }, 'body_too_large', 'the limit is 8388608 bytes'],
  ['a lone surrogate', '{"inputs":["a","\\ud800"]}', 'invalid_request', '[1] has a lone surrogate'],
  ['deep nesting', deep, 'invalid_json', 'nests deeper than 64'],
  [
    'a string for a flag',
    { inputs: 'a', truncate: 'no' },
    'invalid_request',
    'truncate must be a b',
  ],
  [
    'fractions',
    { inputs: 'a', dimensions: 1.5 },
    'invalid_request',
    'dimensions must be a whole n',
  ],
  [
    'no dimensions',
    { inputs: 'a', dimensions: 0 },
    'invalid_request',
    'dimensions must be at least 1',
  ],
  ['other dimensions', { inputs: 'a', dimensions: 4 }, 'unsupported_dimensions', 'vectors of 8'],
  ['an unknown prompt', { inputs: 'a', prompt_name: 'q' }, 'invalid_request', 'has none'],
  ['an unknown model', { inputs: 'a', model: 'gpt' }, 'model_not_found', 'there is: fake-encoder'],
  ['a path as a model', { inputs: 'a', model: '../x' }, 'invalid_name', '"../x"'],
]

describe.each([
  { path: '/embed', field: 'inputs' },
  { path: '/v1/embeddings', field: 'input' },
])('bad input to $path', ({ path, field }) => {
  const rename = (body: unknown) =>
    (typeof body === 'string' ? body : JSON.stringify(body)).replace('"inputs"', `"${field}"`)

  it.each(cases)('refuses %s, and serves the next request', async (_name, body, code, message) => {
    const answer = await postJson(app, path, rename(body))
    const expected = ERROR_STATUS[code]
    const shift = field === 'input' ? 1 : 0
    const wanted = message.replace(
      'column 12 (position 11)',
      `column ${12 - shift} (position ${11 - shift})`,
    )
    if (path === '/embed') {
      expect(answer.status).toBe(expected.tei[0])
      const { error, error_type } = teiErrorBodySchema.parse(await answer.json())
      expect(error).toContain(wanted)
      expect(error_type).toBe(expected.tei[1])
    } else {
      expect(answer.status).toBe(expected.status)
      const reply = errorBodySchema.parse(await answer.json())
      expect(reply.message).toContain(wanted)
      expect(reply.error).toMatchObject({ code, message: reply.detail })
      expect(reply.id).toBe(answer.headers.get('x-request-id'))
      if (message.startsWith('[')) expect(reply.error.param).toMatch(/^input\[\d\](\.image)?$/)
    }
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(424)
    expect((await postJson(app, path, { [field]: 'next' })).status).toBe(200)
  })

  it.each([
    ['content-type', 'text/plain'],
    ['content-type', 'application/x-www-form-urlencoded'],
    ['content-type', 'application/jsonp'],
    ['content-encoding', 'gzip'],
  ])('refuses the %s %s', async (name, value) => {
    const answer = await postJson(app, path, { [field]: 'a' }, { [name]: value })
    expect(answer.status).toBe(415)
    expect(JSON.stringify(await answer.json())).toContain(value)
  })

  it('takes a charset and JSON dialects', async () => {
    for (const type of ['application/json; charset=utf-8', 'application/vnd.api+json']) {
      const answer = await postJson(app, path, { [field]: 'a' }, { 'content-type': type })
      expect(answer.status).toBe(200)
    }
  })

  it('refuses bytes that are not UTF-8', async () => {
    const answer = await app.request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.concat([Buffer.from(`{"${field}":"`), Buffer.from([0xff]), Buffer.from('"}')]),
    })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('not valid UTF-8')
  })

  it('answers any JSON with a precise 4xx or a result', async () => {
    const value = fc.oneof(fc.jsonValue(), fc.string(), fc.array(fc.string(), { maxLength: 4 }))
    const key = fc.constantFrom(
      ...[field, 'model', 'truncate', 'normalize', 'prompt_name', 'dimensions'],
      ...['encoding_format', 'truncation_direction', '__proto__', 'toString'],
    )
    const body = fc.oneof(fc.json(), fc.dictionary(key, value).map(toJson), fc.string())
    await fc.assert(
      fc.asyncProperty(body, async (json) => {
        const answer = await postJson(app, path, json)
        const text = await answer.text()
        expect(answer.status, text).toBeLessThan(424)
        expect(text).not.toContain('Backend')
        if (answer.status !== 200) expect(text).not.toContain('undefined')
      }),
      { numRuns: 400 },
    )
  })
})

/** JSON.stringify leaves out what is set through `__proto__`; here it stays a key. */
function toJson(object: Record<string, unknown>): string {
  const members = Object.entries(object).map(
    ([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`,
  )
  return `{${members.join(',')}}`
}

describe('token ids', () => {
  it.each([[[1, 2, 3]], [[[1, 2], [3]]], [Array(5000).fill(1)]])(
    'are refused with the fix',
    async (input) => {
      const answer = await postJson(app, '/v1/embeddings', { input, model: 'fake-encoder' })
      expect(answer.status).toBe(400)
      const { error } = errorBodySchema.parse(await answer.json())
      expect(error).toMatchObject({ code: 'token_input_unsupported', param: 'input' })
      expect(error.message).toContain('check_embedding_ctx_length=False')
    },
  )
})

describe('the log', () => {
  it('holds no text of a user', async () => {
    const secret = 'correct-horse-battery'
    await postJson(app, '/embed', { inputs: secret })
    await postJson(app, '/embed', { inputs: [secret, 7] })
    await postJson(app, '/embed', `{"inputs": ${secret}}`)
    expect(JSON.stringify(deps.log.lines)).not.toContain(secret)
    expect(deps.log.lines.filter(({ level }) => level === 'error')).toEqual([])
  })
})
