import { createHash } from 'node:crypto'
import { CohereClientV2 } from 'cohere-ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServerHandle, startServer } from '../../functions/api/server.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'

const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const
const eyes = { name: 'eyes', modality: 'image', maxTokens: 64 } as const
const texts = ['A cat sleeps on the mat.', 'Der Zug kommt um acht.']
/** Bytes of no image: the fake encoder looks at nothing but their hash. */
const images = ['a', 'b'].map((name) => createHash('sha512').update(name).digest())
const uris = images.map((bytes) => `data:image/png;base64,${bytes.toString('base64')}`)

interface Running {
  readonly deps: ApiTestDeps
  readonly handle: ServerHandle
  readonly client: CohereClientV2
}
let reader: Running
let viewer: Running

async function start(encoder = createFakeEncoder()): Promise<Running> {
  const deps = await createApiDeps({ encoder })
  const handle = await startServer(deps)
  const client = new CohereClientV2({ environment: handle.url, token: 'none', maxRetries: 0 })
  return { deps, handle, client }
}

beforeAll(async () => {
  ;[reader, viewer] = await Promise.all([start(), start(createFakeEncoder(eyes))])
})

afterAll(async () => {
  for (const { handle, deps } of [reader, viewer]) {
    await handle.stop('test ends')
    await deps.close()
  }
})

async function rowsOf(
  encoder: ReturnType<typeof createFakeEncoder>,
  inputs: typeof texts | Buffer[],
) {
  const { vectors, dimension } = await encoder.encode(inputs, OPTIONS)
  return inputs.map((_, row) => [...vectors.subarray(row * dimension, (row + 1) * dimension)])
}

/** As float32, since JSON carries as many digits as that takes. */
function toFloat32(rows: readonly (readonly number[])[] | undefined): number[][] | undefined {
  return rows?.map((row) => [...Float32Array.from(row)])
}

describe("cohere-ai's embed() of version 2", () => {
  it('gets vectors of texts, as numbers and packed', async () => {
    const expected = await rowsOf(createFakeEncoder(), texts)
    const answer = await reader.client.embed({
      model: createFakeEncoder().info.name,
      inputType: 'search_document',
      texts,
      embeddingTypes: ['float', 'base64'],
    })
    expect(answer.id).toEqual(expect.any(String))
    expect(answer.texts).toEqual(texts)
    expect(answer.meta?.billedUnits?.inputTokens).toBeGreaterThan(0)
    expect(toFloat32(answer.embeddings.float)).toEqual(expected)
    const packed = expected.map((row) => {
      return Buffer.from(Float32Array.from(row).buffer).toString('base64')
    })
    expect(answer.embeddings.base64).toEqual(packed)
  })

  it('gets vectors of images, as data URIs and as parts of inputs', async () => {
    const expected = await rowsOf(createFakeEncoder(eyes), images)
    const asked = { model: 'eyes', embeddingTypes: ['float' as const] }
    const answered = await viewer.client.embed({ ...asked, inputType: 'image', images: uris })
    expect(toFloat32(answered.embeddings.float)).toEqual(expected)
    expect(answered.meta?.billedUnits?.images).toBe(2)
    const inputs = await viewer.client.embed({
      ...asked,
      inputType: 'search_document',
      inputs: uris.map((url) => ({ content: [{ type: 'image_url', imageUrl: { url } }] })),
    })
    expect(toFloat32(inputs.embeddings.float)).toEqual(expected)
  })

  it('gets vectors of texts as parts of inputs, cut at the end that is asked for', async () => {
    const long = `first ${'word '.repeat(1000)}last`
    const embed = (truncate: 'START' | 'END' | 'NONE') =>
      reader.client.embed({
        model: createFakeEncoder().info.name,
        inputType: 'search_query',
        inputs: [{ content: [{ type: 'text', text: long }] }],
        truncate,
      })
    const [start, end] = await Promise.all([embed('START'), embed('END')])
    expect(start.embeddings.float).toHaveLength(1)
    expect(start.embeddings.float).not.toEqual(end.embeddings.float)
    await expect(embed('NONE')).rejects.toMatchObject({ statusCode: 400 })
  })

  it('shows the status and the message of what is refused', async () => {
    const url = 'https://example.org/cat.png'
    const fetched = viewer.client.embed({ model: 'eyes', inputType: 'image', images: [url] })
    await expect(fetched).rejects.toMatchObject({
      statusCode: 400,
      body: { message: expect.stringContaining('images[0] is a URL') },
    })
    const nobody = reader.client.embed({ model: 'nobody', inputType: 'search_query', texts })
    await expect(nobody).rejects.toMatchObject({
      statusCode: 404,
      body: { message: expect.stringContaining('nobody') },
    })
  })
})
