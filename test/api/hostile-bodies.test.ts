import { describe, expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { errorBodySchema } from '../../shared/contract/error-bodies.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { postJson } from '../fakes/post-json.ts'

const app = createApp(await createApiDeps())
const PART = 64 * 1024

/** Posts a body that is made as it is read; gives the answer, and how many parts were asked for. */
async function postParts(path: string, open: string, part: string, parts: number) {
  let asked = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (asked === parts) return controller.close()
        controller.enqueue(Buffer.from(asked++ === 0 ? open : part))
      },
    },
    { highWaterMark: 0 },
  )
  const answer = await app.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  } as RequestInit)
  return { answer, asked }
}

const fill = (text: string) => text.repeat(PART / text.length)

describe('a body that no request can be', () => {
  it.each([
    ['keys', '{"k":0', fill(',"kkk":0'), 400, 'invalid_request'],
    ['objects', '{"input":[{}', fill(',{}'), 413, 'too_many_inputs'],
    [
      'lists in lists',
      '{"x":[1',
      fill(`,${'['.repeat(60)}${']'.repeat(60)}`),
      400,
      'invalid_request',
    ],
    ['texts', '{"input":["a"', fill(',"a"'), 413, 'too_many_inputs'],
    ['numbers', '{"inputs":[1', fill(',1'), 413, 'too_many_inputs'],
    ['token ids', '{"input":[1', fill(',1'), 400, 'token_input_unsupported'],
    ['batches of token ids', '{"input":[[1', fill(',101'), 400, 'token_input_unsupported'],
    ['objects in an object', '{"a":{"b":[{}', fill(',{}'), 400, 'invalid_request'],
    ['lists at the top', '[[]', fill(',[]'), 400, 'invalid_request'],
    ['duplicate keys', '{"input":"a"', fill(',"input":"a"'), 400, 'invalid_request'],
  ])('of %s is refused in the first of 250 parts', async (_what, open, part, status, code) => {
    const { answer, asked } = await postParts('/v1/embeddings', open, part, 250)
    expect(answer.status).toBe(status)
    const { error } = errorBodySchema.parse(await answer.json())
    expect(error.code).toBe(code)
    expect(asked).toBeLessThan(10)
  })

  it('of 16 MB of newlines is refused with its place', async () => {
    const answer = await postJson(app, '/v1/embeddings', `${'\n'.repeat(16_000_000)}x`)
    const { error } = errorBodySchema.parse(await answer.json())
    expect(error).toMatchObject({ code: 'invalid_json' })
    expect(error.message).toContain('line 16000001, column 1 (position 16000000)')
  })

  it('of escapes that end early is refused with its place', async () => {
    const answer = await postJson(app, '/v1/embeddings', `{"input":"${'\\n'.repeat(4_000_000)}`)
    const { error } = errorBodySchema.parse(await answer.json())
    expect(error.message).toContain('(position 8000010): expected a closing quote')
  })
})

describe('a large body that is a request', () => {
  it('is answered as its parts are alone', async () => {
    const texts = Array.from({ length: 60 }, (_, i) => `${i} "é漢\\ ${'p'.repeat(30_000)}`)
    const answer = await postJson(app, '/embed', { inputs: texts, truncate: true })
    expect(answer.status).toBe(200)
    const vectors = (await answer.json()) as number[][]
    const alone = await postJson(app, '/embed', { inputs: texts[41] })
    expect([vectors[41]]).toEqual(await alone.json())
  })

  it('may hold as many inputs as the limit says, in the longest form', async () => {
    const content = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }]
    const answer = await postJson(app, '/v2/embed', {
      inputs: Array(256).fill({ content }),
      model: 'fake-encoder',
      input_type: 'image',
    })
    const { error } = errorBodySchema.parse(await answer.json())
    expect(error.code).toBe('wrong_modality')
    const texts = Array(2048).fill({ content: [{ type: 'text', text: 'a' }] })
    const read = await postJson(app, '/v2/embed', { inputs: texts, model: 'fake-encoder' })
    expect(read.status).toBe(200)
  })

  it('and refused with its count where it is a little too long', async () => {
    const answer = await postJson(app, '/v1/embeddings', { input: Array(2049).fill('a') })
    const { error } = errorBodySchema.parse(await answer.json())
    expect(error).toMatchObject({ code: 'too_many_inputs', param: 'input' })
    expect(error.message).toContain('2049')
  })
})
