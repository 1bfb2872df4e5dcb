import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServerHandle, startServer } from '../../functions/api/server.ts'
import { createKey, describeKey } from '../../shared/lib/api-keys.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { openKeys } from '../fakes/open-keys.ts'

let handle: ServerHandle
let client: OpenAI

beforeAll(async () => {
  handle = await startServer(await createApiDeps())
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

  it('sends its key, and names what is wrong with it', async () => {
    const right = createKey()
    const env = { ESPALIER_API_KEYS: describeKey('website', ['infer'], right) }
    const deps = await createApiDeps({ env })
    const guarded = await startServer({ ...deps, keys: await openKeys(deps.config) })
    const ask = (apiKey: string, baseURL = `${guarded.url}/v1`) =>
      new OpenAI({ baseURL, apiKey, maxRetries: 0 })
    try {
      const { data } = await ask(right).embeddings.create({ model: 'fake-encoder', input })
      expect(data).toHaveLength(2)
      const unknown = ask('sk-of-somebody-else').embeddings.create({ model: 'fake-encoder', input })
      await expect(unknown).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
      await expect(unknown).rejects.toMatchObject({ status: 401, code: 'unauthorized' })
      const metrics = ask(right, guarded.url).get('/metrics')
      await expect(metrics).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError)
    } finally {
      await guarded.stop('test ends')
    }
  })

  it('lists and finds models', async () => {
    const { data } = await client.models.list()
    expect(data.map(({ id }) => id)).toEqual(['fake-encoder'])
    expect((await client.models.retrieve('fake-encoder@v1')).id).toBe('fake-encoder')
  })
})
