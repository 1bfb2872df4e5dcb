import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { cohereClassifyResponseSchema } from '../../shared/contract/cohere-classify.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

let deps: ApiTestDeps
let app: ApiApp

beforeEach(async () => {
  const registry = createTestRegistry()
  await publishHead(registry, 'intent', createTestHead('intent', {}, 7))
  await publishHead(registry, 'tags', createTestHead('tags', { activation: 'sigmoid' }))
  deps = await createApiDeps({ registry })
  app = createApp(deps)
})

afterEach(() => deps.close())

async function classify(body: object) {
  const response = await postJson(app, '/v1/classify', body)
  const json = await response.json()
  expect(response.status, JSON.stringify(json)).toBe(200)
  return cohereClassifyResponseSchema.parse(json)
}

describe('POST /v1/classify', () => {
  it('gives one label with its confidence, and all labels', async () => {
    const inputs = ['play a song', 'what is the weather']
    const answer = await classify({ inputs, model: 'intent' })
    expect(answer.meta).toEqual({
      api_version: { version: '1' },
      billed_units: { classifications: 2 },
    })
    expect(answer.model).toBe('intent@v1')
    expect(answer.classifications.map(({ input }) => input)).toEqual(inputs)
    expect(new Set(answer.classifications.map(({ id }) => id)).size).toBe(2)
    for (const item of answer.classifications) {
      const all = Object.entries(item.labels)
      const best = all.reduce((a, b) => (b[1].confidence > a[1].confidence ? b : a))
      expect(all).toHaveLength(7)
      expect(all.reduce((sum, [, { confidence }]) => sum + confidence, 0)).toBeCloseTo(1, 5)
      expect(item).toMatchObject({
        classification_type: 'single-label',
        prediction: best[0],
        confidence: best[1].confidence,
        predictions: [best[0]],
        confidences: [best[1].confidence],
      })
    }
  })

  it('gives every label that holds of a multi-label classifier', async () => {
    const inputs = Array.from({ length: 20 }, (_, i) => `text ${i}`)
    const { classifications } = await classify({ inputs, model: 'tags' })
    for (const item of classifications) {
      const held = Object.entries(item.labels).filter(([, { confidence }]) => confidence >= 0.5)
      expect(item.classification_type).toBe('multi-label')
      expect(item).not.toHaveProperty('prediction')
      expect([...item.predictions].sort()).toEqual(held.map(([label]) => label).sort())
    }
    expect(
      new Set(classifications.map(({ predictions }) => predictions.length)).size,
    ).toBeGreaterThan(1)
  })

  it.each([
    [{ examples: [{ text: 'a', label: 'b' }] }, 400, /train a classifier from them/],
    [{ inputs: [] }, 400, /inputs is an empty list/],
    [{ inputs: 'hi' }, 400, /inputs must be an array/],
    [{ inputs: ['x '.repeat(50)], truncate: 'NONE' }, 400, /inputs\[0\]/],
    [{ model: 'nothing' }, 404, /"nothing"/],
    [{ truncate: 'MIDDLE' }, 400, /truncate must be one of NONE, START, END/],
  ])('refuses %j', async (body, status, message) => {
    const response = await postJson(app, '/v1/classify', {
      inputs: ['hi'],
      model: 'intent',
      ...body,
    })
    expect(response.status).toBe(status)
    expect(((await response.json()) as { message: string }).message).toMatch(message)
  })

  it('ignores empty examples and keys it does not know', async () => {
    const body = { inputs: ['hi'], model: 'intent', examples: [], preset: 'x', other: 1 }
    expect((await classify(body)).classifications).toHaveLength(1)
  })
})
