import { describe, expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { embedResponseSchema } from '../../shared/contract/embed.ts'
import { teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import { openaiEmbeddingsResponseSchema } from '../../shared/contract/openai-embeddings.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { postJson } from '../fakes/post-json.ts'

const app = createApp(await createApiDeps())

describe('POST /embed', () => {
  it('answers one vector for a text and one per text of a list', async () => {
    const one = await postJson(app, '/embed', { inputs: 'hello there' })
    expect(one.status).toBe(200)
    expect(one.headers.get('content-type')).toBe('application/json')
    const single = embedResponseSchema.parse(await one.json())
    const many = await postJson(app, '/embed', { inputs: ['hello there', 'b'], unknown: 1 })
    const both = embedResponseSchema.parse(await many.json())
    expect(single).toHaveLength(1)
    expect(both).toHaveLength(2)
    expect(both[0]).toEqual(single[0])
    expect(both[0]).toHaveLength(8)
  })

  it('writes numbers that are the float32 vectors bit for bit, with at most 9 digits', async () => {
    const encoder = createFakeEncoder()
    const { vectors } = await encoder.encode(['hello'], {
      truncate: true,
      truncationDirection: 'right',
      normalize: false,
    })
    const answer = await postJson(app, '/embed', { inputs: 'hello', normalize: false })
    const text = await answer.text()
    expect(Float32Array.from((JSON.parse(text) as number[][])[0]!)).toEqual(vectors)
    for (const number of text.match(/[0-9.]+/g)!) {
      expect(number.replace(/^0\.0*|\./, '').length).toBeLessThanOrEqual(9)
    }
  })

  it('says what ran in the headers', async () => {
    const inputs = ['one two', `${'x '.repeat(20)}`]
    const { headers } = await postJson(app, '/embed', { inputs })
    expect(headers.get('x-espalier-model')).toBe('fake-encoder@v1')
    expect(headers.get('x-espalier-fingerprint')).toBe('f'.repeat(64))
    expect(headers.get('x-compute-tokens')).toBe('20')
    expect(headers.get('x-truncated')).toBe('1')
    for (const name of ['compute', 'total', 'queue', 'tokenization', 'inference']) {
      expect(headers.get(`x-${name}-time`)).toMatch(/^[0-9]+$/)
    }
    expect(headers.get('server-timing')).toMatch(/^total;dur=[0-9.]+, queue;dur=/)
  })

  it('takes the options of TEI, null included', async () => {
    const words = Array.from({ length: 20 }, (_, i) => `w${i}`)
    const ask = async (body: object) =>
      embedResponseSchema.parse(await (await postJson(app, '/embed', body)).json())
    const left = await ask({ inputs: words.join(' '), truncation_direction: 'Left' })
    expect(left).toEqual(await ask({ inputs: words.slice(6).join(' ') }))
    const nulls = { normalize: null, truncate: null, prompt_name: null, model: null }
    expect(await ask({ inputs: 'a', ...nulls, dimensions: null })).toEqual(
      await ask({ inputs: 'a', dimensions: 8, model: 'fake-encoder@v1' }),
    )
  })

  it('answers only for the expected fingerprint', async () => {
    const headers = { 'x-espalier-fingerprint': 'f'.repeat(64) }
    expect((await postJson(app, '/embed', { inputs: 'a' }, headers)).status).toBe(200)
    const other = await postJson(
      app,
      '/embed',
      { inputs: 'a' },
      { 'x-espalier-fingerprint': 'e'.repeat(64) },
    )
    expect(other.status).toBe(412)
    expect(teiErrorBodySchema.parse(await other.json()).error).toContain('f'.repeat(64))
  })

  it('answers the largest request in order', async () => {
    const dimension = 384
    const large = createApp(await createApiDeps({ encoder: createFakeEncoder({ dimension }) }))
    const inputs = Array.from({ length: 2048 }, (_, i) => `text ${i}`)
    const answer = await postJson(large, '/embed', { inputs })
    const rows = (await answer.json()) as number[][]
    expect(rows).toHaveLength(2048)
    const last = await postJson(large, '/embed', { inputs: inputs[2047] })
    expect(rows[2047]).toEqual(((await last.json()) as number[][])[0])
  })
})

describe('POST /v1/embeddings', () => {
  const path = '/v1/embeddings'
  it('answers floats by default and the same numbers in base64', async () => {
    const body = { input: ['hello', 'there'], model: 'fake-encoder', user: 'u-1' }
    const floats = openaiEmbeddingsResponseSchema.parse(
      await (await postJson(app, path, body)).json(),
    )
    expect(floats.model).toBe('fake-encoder@v1')
    expect(floats.usage).toEqual({ prompt_tokens: 6, total_tokens: 6 })
    expect(floats.data.map(({ index }) => index)).toEqual([0, 1])
    const packed = openaiEmbeddingsResponseSchema.parse(
      await (await postJson(app, path, { ...body, encoding_format: 'base64' })).json(),
    )
    for (const [i, { embedding }] of packed.data.entries()) {
      const bytes = Buffer.from(embedding as string, 'base64')
      const numbers = Array.from({ length: 8 }, (_, at) => bytes.readFloatLE(at * 4))
      expect(numbers.map(Math.fround)).toEqual(
        (floats.data[i]!.embedding as number[]).map(Math.fround),
      )
    }
  })

  it('gives the vectors of /embed', async () => {
    const native = await (await postJson(app, '/embed', { inputs: 'same' })).json()
    const openai = openaiEmbeddingsResponseSchema.parse(
      await (await postJson(app, path, { input: 'same' })).json(),
    )
    expect([openai.data[0]!.embedding]).toEqual(native)
  })
})
