import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { readForm } from '../../functions/api/requests/read-form.ts'
import { classifyResponseSchema } from '../../shared/contract/classify.ts'
import { cohereEmbedResponseSchema } from '../../shared/contract/cohere-embed.ts'
import { embedResponseSchema } from '../../shared/contract/embed.ts'
import { errorBodySchema, teiErrorBodySchema } from '../../shared/contract/error-bodies.ts'
import { openaiEmbeddingsResponseSchema } from '../../shared/contract/openai-embeddings.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

const eyes = { name: 'eyes', modality: 'image', maxTokens: 64 } as const
const registry = createTestRegistry()
await publishHead(registry, 'pets', createTestHead('pet'))
const app = createApp(
  await createApiDeps({
    encoder: createFakeEncoder(eyes),
    registry,
    env: { ESPALIER_MAX_IMAGE_BYTES: '4000', ESPALIER_MAX_IMAGES: '3' },
  }),
)
const reader = createApp(await createApiDeps())

/** Bytes of no image: the fake encoder looks at nothing but their hash. */
const bytes = createHash('sha512').update('an image').digest()
const base64 = bytes.toString('base64')
const other = Buffer.from('another image')

/** The vector that the fake encoder gives these bytes. */
const { vectors: expected } = await createFakeEncoder(eyes).encode([bytes], {
  truncate: true,
  truncationDirection: 'right',
  normalize: true,
})

function form(parts: readonly (readonly [string, string | Buffer])[]): FormData {
  const data = new FormData()
  for (const [name, value] of parts) {
    if (typeof value === 'string') data.append(name, value)
    else data.append(name, new Blob([Uint8Array.from(value)]), 'a.jpg')
  }
  return data
}

function post(to: ApiApp, path: string, body: FormData | Buffer, type?: string) {
  const headers = type === undefined ? {} : { 'content-type': type }
  const sent = body instanceof FormData ? body : Uint8Array.from(body)
  return to.request(path, { method: 'POST', headers, body: sent })
}

describe('images to /embed', () => {
  it.each([
    ['an object with base64', { image: base64 }],
    ['base64 without padding, URL-safe', { image: bytes.toString('base64url') }],
    ['base64 in lines', { image: base64.replace(/.{20}/g, '$&\r\n') }],
    ['an object with a data URI', { image: `data:image/png;base64,${base64}` }],
    ['a bare data URI', `data:image/jpeg;base64,${base64}`],
    ['a data URI in capitals', `DATA:IMAGE/WEBP;BASE64,${base64}`],
  ])('takes %s, alone and in a list', async (_name, input) => {
    for (const inputs of [input, [input]]) {
      const answer = await postJson(app, '/embed', { inputs })
      expect(answer.status).toBe(200)
      const [vector] = embedResponseSchema.parse(await answer.json())
      expect(Float32Array.from(vector!)).toEqual(expected)
    }
  })

  it.each(['image/jpeg', 'image/png', 'image/webp; charset=x'])(
    'takes a body of %s',
    async (type) => {
      const answer = await post(app, '/embed?model=eyes', bytes, type)
      expect(answer.headers.get('x-espalier-model')).toBe('eyes@v1')
      expect(answer.headers.get('x-compute-tokens')).toBe('64')
      const [vector] = embedResponseSchema.parse(await answer.json())
      expect(Float32Array.from(vector!)).toEqual(expected)
    },
  )

  it('takes a form, in the order of its parts, with fields beside them', async () => {
    const parts = [
      ['image', bytes],
      ['model', 'eyes'],
      ['normalize', 'false'],
      ['image', other],
    ]
    const answer = await post(app, '/embed', form(parts as [string, string | Buffer][]))
    const rows = embedResponseSchema.parse(await answer.json())
    const plain = await postJson(app, '/embed', {
      inputs: [{ image: base64 }, { image: other.toString('base64') }],
      normalize: false,
    })
    expect(rows).toEqual(embedResponseSchema.parse(await plain.json()))
    expect(rows).toHaveLength(2)
  })
})

describe('images to the other routes', () => {
  it('/v1/embeddings takes them as objects, forms and bodies', async () => {
    const json = await postJson(app, '/v1/embeddings', { input: [{ image: base64 }] })
    const first = openaiEmbeddingsResponseSchema.parse(await json.json())
    expect(Float32Array.from(first.data[0]!.embedding as number[])).toEqual(expected)
    const raw = await post(app, '/v1/embeddings?encoding_format=base64', bytes, 'image/png')
    const second = openaiEmbeddingsResponseSchema.parse(await raw.json())
    const packed = Buffer.from(expected.buffer, expected.byteOffset, expected.byteLength)
    expect(second.data[0]!.embedding).toBe(packed.toString('base64'))
    const upload = await post(app, '/v1/embeddings', form([['image', bytes]]))
    expect(openaiEmbeddingsResponseSchema.parse(await upload.json())).toEqual(first)
  })

  it('/classify takes them, with its options in the query or as fields', async () => {
    const json = await postJson(app, '/classify', {
      model: ['pets'],
      inputs: { image: base64 },
      top_k: 2,
    })
    const wanted = classifyResponseSchema.parse(await json.json())
    expect(wanted.data[0]!.predictions[0]!.labels).toHaveLength(2)
    const query = await post(app, '/classify?model=pets&top_k=2', bytes, 'image/webp')
    expect(classifyResponseSchema.parse(await query.json())).toEqual(wanted)
    const fields = form([
      ['images', bytes],
      ['model', '["pets"]'],
      ['top_k', '2'],
    ])
    const upload = await post(app, '/classify', fields)
    expect(classifyResponseSchema.parse(await upload.json())).toEqual(wanted)
    const twice = await post(app, '/classify?model=pets&model=pets@v1', bytes, 'image/webp')
    const both = classifyResponseSchema.parse(await twice.json())
    expect(both.data[0]!.predictions.map(({ model }) => model)).toEqual(['pets@v1', 'pets@v1'])
  })

  it('/v1/classify takes data URIs, and does not send them back whole', async () => {
    const input = `data:image/png;base64,${base64}`
    const answer = await postJson(app, '/v1/classify', { inputs: [input], model: 'pets' })
    const { classifications } = (await answer.json()) as { classifications: { input: string }[] }
    expect(answer.status).toBe(200)
    expect(classifications[0]!.input).toBe(`${input.slice(0, 64)}…`)
  })
})

describe('/v2/embed, in the shape of Cohere', () => {
  it('takes images, content parts and texts, and answers by type', async () => {
    const uri = `data:image/png;base64,${base64}`
    const packed = Buffer.from(expected.buffer, expected.byteOffset, expected.byteLength)
    const part = { type: 'image_url', image_url: { url: uri } }
    for (const given of [{ images: [uri] }, { inputs: [{ content: [part] }] }]) {
      const answer = await postJson(app, '/v2/embed', {
        ...given,
        model: 'eyes',
        input_type: 'image',
        embedding_types: ['float', 'base64'],
      })
      const body = cohereEmbedResponseSchema.parse(await answer.json())
      expect(Float32Array.from(body.embeddings.float![0]!)).toEqual(expected)
      expect(body.embeddings.base64).toEqual([packed.toString('base64')])
      expect(body).toMatchObject({ model: 'eyes@v1', meta: { billed_units: { images: 1 } } })
    }
    const texts = await postJson(reader, '/v2/embed', { texts: ['one two', 'three'] })
    const body = cohereEmbedResponseSchema.parse(await texts.json())
    expect(body.embeddings.float).toHaveLength(2)
    expect(body).toMatchObject({
      texts: ['one two', 'three'],
      meta: { billed_units: { input_tokens: 7 } },
    })
  })

  it.each([
    [{ images: ['https://example.org/a.png'] }, 'images[0] is a URL; images are never fetched'],
    [{ texts: ['a cat'] }, 'texts[0] is a text; eyes@v1 reads images'],
    [{ model: 'eyes' }, 'send one of texts, images and inputs'],
    [{ texts: ['a'], images: ['b'] }, 'send one of texts, images and inputs'],
  ])('refuses %j', async (given, message) => {
    const answer = await postJson(app, '/v2/embed', given)
    expect(answer.status).toBe(400)
    expect(errorBodySchema.parse(await answer.json()).message).toContain(message)
  })
})

describe('what is refused', () => {
  const large = Buffer.alloc(4001).toString('base64')
  it.each([
    ['a text', 'a cat', 'wrong_modality', 'input is a text; eyes@v1 reads images: send images'],
    ['a URL', 'https://example.org/cat.jpg', 'invalid_request', 'images are never fetched'],
    ['a URL as image', { image: 'http://x/a.png' }, 'invalid_request', 'images are never fetched'],
    ['a local path', { image: 'file:///etc/passwd' }, 'invalid_request', 'never fetched'],
    ['no base64', { image: 'no base64!' }, 'invalid_image', 'input is not base64'],
    ['an empty image', { image: '' }, 'invalid_image', 'input is an empty image'],
    ['an empty data URI', 'data:image/png;base64,', 'invalid_image', 'input is an empty image'],
    [
      'a data URI of text',
      { image: 'data:text/html;base64,aGk=' },
      'unsupported_image',
      'text/html',
    ],
    ['an SVG', 'data:image/svg+xml;base64,aGk=', 'unsupported_image', 'image/svg+xml'],
    ['no base64 in a data URI', 'data:image/png,abc', 'invalid_image', 'without base64'],
    ['a large image', { image: large }, 'image_too_large', '4001 bytes; the limit is 4000 bytes'],
    ['a wrong object', { image: 7 }, 'invalid_request', 'input.image must be a string, not a num'],
    ['many images', Array(4).fill({ image: base64 }), 'too_many_inputs', 'more than 3 images'],
  ])('%s', async (_name, input, code, message) => {
    const answer = await postJson(app, '/v1/embeddings', { input })
    const { error } = errorBodySchema.parse(await answer.json())
    expect(error).toMatchObject({ code })
    expect(error.message).toContain(message)
  })

  it('images for a model of texts, whatever way they come', async () => {
    const uri = `data:image/png;base64,${base64}`
    const answers = [
      await postJson(reader, '/embed', { inputs: ['a text', uri] }),
      await postJson(reader, '/embed', { inputs: { image: base64 } }),
      await post(reader, '/embed', bytes, 'image/png'),
      await post(reader, '/embed', form([['image', bytes]])),
    ]
    const texts = await Promise.all(
      answers.map(async (answer) => teiErrorBodySchema.parse(await answer.json()).error),
    )
    expect(answers.map(({ status }) => status)).toEqual([422, 422, 422, 422])
    expect(texts.map((text) => text.split(';')[0])).toEqual([
      'inputs[1] is an image',
      'inputs is an image',
      'image is an image',
      'image[0] is an image',
    ])
    expect(texts[0]).toContain('fake-encoder@v1 reads texts: name one that reads images in "model"')
  })

  it('texts for a classifier of images', async () => {
    const answer = await postJson(app, '/classify', { inputs: ['a cat'], model: 'pets' })
    const { error } = errorBodySchema.parse(await answer.json())
    expect(answer.status).toBe(400)
    expect(error).toMatchObject({ code: 'wrong_modality', param: 'inputs[0]' })
  })

  it.each([
    ['no image', form([['model', 'eyes']]), 400, 'the form has no part "image"'],
    ['an empty file', form([['image', Buffer.alloc(0)]]), 400, 'image[0] is empty'],
    ['a large file', form([['image', Buffer.alloc(4001)]]), 413, 'limit is 4000 bytes per image'],
    ['many files', form(Array(4).fill(['image', bytes])), 413, 'more than 3 images'],
    [
      'another file',
      form([
        ['image', bytes],
        ['mask', other],
      ]),
      400,
      'the part "mask" is a file',
    ],
    [
      'a long field',
      form([
        ['image', bytes],
        ['model', 'x'.repeat(70_000)],
      ]),
      400,
      '"model" has more',
    ],
    [
      'texts too',
      form([
        ['image', bytes],
        ['input', 'a'],
      ]),
      400,
      'input and images in one form',
    ],
    [
      'a wrong field',
      form([
        ['image', bytes],
        ['truncate', 'no'],
      ]),
      400,
      'truncate must be a boolean',
    ],
  ])('a form with %s', async (_name, body, status, message) => {
    const answer = await post(app, '/v1/embeddings', body)
    expect(answer.status).toBe(status)
    expect(errorBodySchema.parse(await answer.json()).message).toContain(message)
  })

  it.each([
    ['', 'has no boundary'],
    ['--b\r\ncontent-disposition: form-data; name="image"\r\n\r\nabc', 'ends within a part'],
    ['--b\r\nx\r\n--b--', 'has a part without headers'],
    ['--b\r\nx: y\r\n\r\nabc\r\n--b--', 'has a part that is no field'],
    ['--b', 'ends early'],
  ])('a broken form: %j', async (body, message) => {
    const answer = await post(
      app,
      '/v1/embeddings',
      Buffer.from(body),
      'multipart/form-data; boundary=b',
    )
    expect(answer.status).toBe(400)
    expect(errorBodySchema.parse(await answer.json()).message).toContain(message)
  })

  it('other types of body, naming those that are taken', async () => {
    const answer = await post(app, '/v1/embeddings', bytes, 'image/gif')
    expect(answer.status).toBe(415)
    const { message } = errorBodySchema.parse(await answer.json())
    expect(message).toContain(
      'for images multipart/form-data, image/jpeg or image/png or image/webp',
    )
  })
})

describe('bounds of uploads', () => {
  it('holds no more bytes than allowed while requests are under way', async () => {
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const small = createApp(
      await createApiDeps({
        encoder: createFakeEncoder({ ...eyes, gate: () => gate }),
        env: { ESPALIER_MAX_HELD_BYTES: '10000' },
      }),
    )
    const upload = () => post(small, '/embed', Buffer.alloc(3000, 7), 'image/png')
    const asked = Array.from({ length: 20 }, upload)
    const refused = await Promise.race([
      Promise.all(asked.slice(3)),
      pause(20_000, null, { ref: false }),
    ])
    expect(refused?.map(({ status }) => status)).toEqual(Array(17).fill(429))
    open()
    const served = await Promise.all(asked.slice(0, 3))
    expect(served.map(({ status }) => status)).toEqual([200, 200, 200])
    expect((await upload()).status).toBe(200)
  })

  it('reads back every form that a client writes', async () => {
    const name = fc
      .string({ minLength: 1, maxLength: 12 })
      .filter((text) => !/[\r\n"\\%]/.test(text))
    const part = fc.tuple(name, fc.uint8Array({ maxLength: 300 }))
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 6 }), async (parts) => {
        const data = new FormData()
        for (const [key, value] of parts) data.append(key, new Blob([value]), 'a.bin')
        const sent = new Response(data)
        const body = Buffer.from(await sent.clone().arrayBuffer())
        const read = readForm(sent.headers.get('content-type') ?? '', body, 6)
        expect(read.map((each) => [each.name, [...each.bytes]])).toEqual(
          parts.map(([key, value]) => [key, [...value]]),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('survives forms that were cut or changed', async () => {
    const sent = new Response(
      form([
        ['image', bytes],
        ['model', 'eyes'],
      ]),
    )
    const type = sent.headers.get('content-type') ?? ''
    const body = Buffer.from(await sent.arrayBuffer())
    await fc.assert(
      fc.asyncProperty(
        fc.nat(body.length - 1),
        fc.nat(255),
        fc.boolean(),
        async (at, byte, cut) => {
          const broken = Buffer.from(cut ? body.subarray(0, at) : body)
          if (!cut) broken[at] = byte
          const answer = await post(app, '/v1/embeddings', broken, type)
          expect([200, 400, 404, 413]).toContain(answer.status)
        },
      ),
      { numRuns: 200 },
    )
  })
})

it('/openapi.json tells of every form', async () => {
  const document = (await (await app.request('/openapi.json')).json()) as {
    paths: Record<
      string,
      { post: { requestBody: { content: object }; parameters: { name: string }[] } }
    >
  }
  for (const path of ['/embed', '/classify', '/v1/embeddings']) {
    const { requestBody, parameters } = document.paths[path]!.post
    expect(Object.keys(requestBody.content)).toEqual([
      'application/json',
      'multipart/form-data',
      'image/jpeg',
      'image/png',
      'image/webp',
    ])
    expect(parameters.map(({ name }) => name)).toContain('model')
  }
  const text = JSON.stringify(document)
  expect(text).toContain('"ImageInput"')
  expect(Object.keys(document.paths['/v1/classify']!.post.requestBody.content)).toHaveLength(1)
})
