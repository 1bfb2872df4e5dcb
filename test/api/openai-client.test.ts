import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServerHandle, startServer } from '../../functions/api/server.ts'
import { createApiDeps } from '../fakes/api-deps.ts'

let handle: ServerHandle
let client: OpenAI

beforeAll(async () => {
  handle = await startServer(createApiDeps())
  client = new OpenAI({ baseURL: `${handle.url}/v1`, apiKey: 'none', maxRetries: 0 })
})

afterAll(async () => {
  await handle.stop('test ends')
})

describe('the openai client', () => {
  const input = ['hello', 'there']

  it('gets whole vectors by default, where it asks for base64 by itself', async () => {
    const byDefault = await client.embeddings.create({ model: 'fake-encoder', input })
    const floats = await client.embeddings.create({
      model: 'fake-encoder',
      input,
      encoding_format: 'float',
    })
    expect(byDefault.data).toHaveLength(2)
    for (const [i, { embedding }] of byDefault.data.entries()) {
      expect(embedding.map(Math.fround)).toEqual(floats.data[i]!.embedding.map(Math.fround))
    }
    expect(byDefault.model).toBe('fake-encoder@v1')
  })

  it('shows the message, the code, the field and the request id of an error', async () => {
    const failed = client.embeddings.create({ model: 'fake-encoder', input: ['a', ''] })
    await expect(failed).rejects.toMatchObject({
      status: 400,
      code: 'empty_input',
      param: 'input[1]',
      requestID: expect.stringMatching(/^req_/),
      message: expect.stringContaining('input[1] is an empty string'),
    })
  })

  it('lists and finds models', async () => {
    const { data } = await client.models.list()
    expect(data.map(({ id }) => id)).toEqual(['fake-encoder'])
    expect((await client.models.retrieve('fake-encoder@v1')).id).toBe('fake-encoder')
  })
})
