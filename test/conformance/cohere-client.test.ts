import { CohereClient, CohereError } from 'cohere-ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServerHandle, startServer } from '../../functions/api/server.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'

let deps: ApiTestDeps
let handle: ServerHandle
let client: CohereClient

beforeAll(async () => {
  const registry = createTestRegistry()
  await publishHead(registry, 'intent', createTestHead('intent', {}, 7))
  await publishHead(registry, 'tags', createTestHead('tags', { activation: 'sigmoid' }))
  deps = await createApiDeps({ registry })
  handle = await startServer(deps)
  client = new CohereClient({ environment: handle.url, token: 'none' })
})

afterAll(async () => {
  await handle.stop('test ends')
  await deps.close()
})

describe("cohere-ai's classify()", () => {
  const inputs = ['play a song', 'what is the weather', 'book a table']

  it('gets one label with its confidence, and all labels', async () => {
    const { id, classifications, meta } = await client.classify({ model: 'intent', inputs })
    expect(id).toEqual(expect.any(String))
    expect(meta?.apiVersion?.version).toBe('1')
    expect(meta?.billedUnits?.classifications).toBe(3)
    expect(classifications.map(({ input }) => input)).toEqual(inputs)
    for (const item of classifications) {
      const confidences = Object.values(item.labels).map(({ confidence }) => confidence as number)
      expect(item.classificationType).toBe('single-label')
      expect(confidences).toHaveLength(7)
      expect(confidences.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5)
      expect(item.prediction).toBe(item.predictions[0])
      expect(item.confidence).toBeCloseTo(Math.max(...confidences), 9)
      expect(item.confidences).toEqual([item.confidence])
      expect(item.labels[item.prediction as string]?.confidence).toBe(item.confidence)
    }
  })

  it('gets every label that holds of a multi-label classifier', async () => {
    const { classifications } = await client.classify({ model: 'tags', inputs })
    for (const item of classifications) {
      expect(item.classificationType).toBe('multi-label')
      const held = Object.entries(item.labels).filter(([, label]) => (label.confidence ?? 0) >= 0.5)
      expect([...item.predictions].sort()).toEqual(held.map(([label]) => label).sort())
    }
  })

  it('cuts long texts at the end that is asked for', async () => {
    const long = `first ${'word '.repeat(100)}last`
    const [start, end] = await Promise.all([
      client.classify({ model: 'intent', inputs: [long], truncate: 'START' }),
      client.classify({ model: 'intent', inputs: [long], truncate: 'END' }),
    ])
    expect(start.classifications[0]?.confidence).not.toBe(end.classifications[0]?.confidence)
    const refused = client.classify({ model: 'intent', inputs: [long], truncate: 'NONE' })
    await expect(refused).rejects.toMatchObject({ statusCode: 400 })
  })

  it('shows the status and the message of an error', async () => {
    const failed = client.classify({ model: 'nobody', inputs })
    await expect(failed).rejects.toBeInstanceOf(CohereError)
    await expect(failed).rejects.toMatchObject({
      statusCode: 404,
      body: { message: expect.stringContaining('nobody') },
    })
    await expect(client.classify({ model: 'intent', inputs: [''] })).rejects.toMatchObject({
      statusCode: 400,
      body: { message: expect.stringContaining('inputs[0]') },
    })
  })
})
