import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { type ClassifyResponse, classifyResponseSchema } from '../../shared/contract/classify.ts'
import { modelListSchema } from '../../shared/contract/models.ts'
import { measureDistances, stackHeads } from '../../shared/head/columns.ts'
import type { Head } from '../../shared/head/head.ts'
import { quantizeRows } from '../../shared/head/neighbours.ts'
import { predict } from '../../shared/head/predict.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { findNeighbours } from '../fakes/find-neighbours.ts'
import {
  createTestDetector,
  createTestHead,
  createTestRegistry,
  publishHead,
} from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

let registry: Registry
let deps: ApiTestDeps
let app: ApiApp

beforeEach(() => {
  registry = createTestRegistry()
})

afterEach(() => deps.close())

async function serve(options: Parameters<typeof createApiDeps>[0] = {}): Promise<void> {
  deps = await createApiDeps({ registry, ...options })
  app = createApp(deps)
}

async function classify(body: object): Promise<ClassifyResponse> {
  const response = await postJson(app, '/classify', body)
  const json = await response.json()
  expect(response.status, JSON.stringify(json)).toBe(200)
  return classifyResponseSchema.parse(json)
}

async function fail(body: unknown, path = '/classify') {
  const response = await postJson(app, path, body)
  const { error } = (await response.json()) as {
    error: { code: string; message: string; param: string }
  }
  return { status: response.status, ...error }
}

/** What a head says of the fake encoder's vector, worked out apart from the server. */
async function expectPrediction(head: Head, text: string) {
  const { vectors } = await createFakeEncoder().encode([text], {
    truncate: true,
    truncationDirection: 'right',
    normalize: true,
  })
  const stack = stackHeads([head])
  const { columns, weights, bias, places } = stack
  const products = bias.map((start, c) =>
    vectors.reduce((sum, x, i) => sum + x * (weights[c * vectors.length + i] as number), start),
  )
  const scores = measureDistances(stack, products)
  const neighbours = head.memory ? findNeighbours(head.memory, vectors) : undefined
  const input = { scores, rows: 1, stride: columns, place: places[0]!, neighbours }
  return predict(head, input)[0]!
}

function createMemory(): NonNullable<Head['memory']> {
  const rows = createTestHead('memory', {}, 6).weights
  return {
    ...quantizeRows(rows, 8),
    labels: Int32Array.of(0, 1, 2, 0, 1, 2),
    k: 3,
    temperature: 0.2,
    weight: 0.5,
  }
}

describe('POST /classify', () => {
  it('answers with the only classifier where none is named', async () => {
    const head = createTestHead('intent', { detector: createTestDetector() })
    await publishHead(registry, 'intent', head)
    await serve()
    const { data, object, usage } = await classify({ inputs: 'play some music' })
    const expected = await expectPrediction(head, 'play some music')
    expect(object).toBe('list')
    expect(usage).toEqual({ prompt_tokens: 5, total_tokens: 5 })
    expect(data).toHaveLength(1)
    const [prediction] = data[0]!.predictions
    expect(data[0]).not.toHaveProperty('embedding')
    expect(prediction).toMatchObject({
      model: 'intent@v1',
      label: expected.label,
      in_distribution: expected.inDistribution,
    })
    expect(prediction!.score).toBeCloseTo(expected.score, 5)
    expect(prediction!.ood_score).toBeCloseTo(expected.oodScore as number, 4)
    expect(prediction!.labels.map(({ label }) => label)).toEqual(
      expected.labels.map(({ label }) => label),
    )
    expect(prediction!.labels.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5)
  })

  it('gives ten heads the same predictions together as one by one', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `head-${i}`)
    for (const [i, name] of names.entries()) {
      const extras = {
        ...(i % 2 === 0 && { detector: createTestDetector() }),
        ...(i % 3 === 0 && { memory: createMemory() }),
      }
      await publishHead(registry, name, createTestHead(name, extras, 3 + (i % 4)))
    }
    await serve()
    const inputs = ['one', 'two words', 'and three words']
    const together = await classify({ inputs, model: names, top_k: 10 })
    for (const [i, name] of names.entries()) {
      const alone = await classify({ inputs, model: name, top_k: 10 })
      for (const [row, { predictions }] of alone.data.entries()) {
        expect(together.data[row]!.predictions[i]).toEqual(predictions[0])
      }
    }
    expect(together.usage).toEqual((await classify({ inputs, model: 'head-0' })).usage)
  })

  it('writes into the log line which versions answered', async () => {
    for (const name of ['one', 'two']) await publishHead(registry, name, createTestHead(name))
    await serve()
    await classify({ inputs: ['a text'], model: ['one', 'two'] })
    const line = deps.log.lines.find(({ fields }) => fields.path === '/classify')
    expect(line?.fields).toMatchObject({ model: 'fake-encoder@v1', heads: 'one@v1, two@v1' })
  })

  it('blends in the neighbours of a memory', async () => {
    const head = createTestHead('blend', { memory: createMemory() })
    await publishHead(registry, 'blend', head)
    await serve()
    const { data } = await classify({ inputs: ['a text'] })
    const expected = await expectPrediction(head, 'a text')
    expect(data[0]!.predictions[0]!.label).toBe(expected.label)
    expect(data[0]!.predictions[0]!.score).toBeCloseTo(expected.score, 5)
  })

  it('lists top_k labels, five by default, and returns embeddings when asked', async () => {
    await publishHead(registry, 'wide', createTestHead('wide', {}, 9))
    await serve()
    const lengthOf = async (body: object) =>
      (await classify({ inputs: 'hi', ...body })).data[0]!.predictions[0]!.labels.length
    expect(await lengthOf({})).toBe(5)
    expect(await lengthOf({ top_k: 2 })).toBe(2)
    expect(await lengthOf({ top_k: 100 })).toBe(9)
    const { data } = await classify({ inputs: ['hi'], return_embeddings: true })
    expect(Math.hypot(...data[0]!.embedding!)).toBeCloseTo(1, 5)
  })

  it('gives no label where none reaches the threshold', async () => {
    await publishHead(registry, 'intent', createTestHead('intent'))
    await publishHead(registry, 'tags', createTestHead('tags', { activation: 'sigmoid' }))
    await serve()
    const none = await classify({ inputs: 'hi', model: ['intent', 'tags'], threshold: 1 })
    for (const { label, labels } of none.data[0]!.predictions) {
      expect({ label, labels }).toEqual({ label: null, labels: [] })
    }
    const all = await classify({ inputs: 'hi', model: 'tags', threshold: 0 })
    expect(all.data[0]!.predictions[0]!.labels).toHaveLength(3)
  })

  it('answers the largest request in order', async () => {
    await publishHead(registry, 'intent', createTestHead('intent', {}, 77))
    await serve()
    const inputs = Array.from({ length: 2048 }, (_, i) => `text ${i}`)
    const { data } = await classify({ inputs })
    expect(data.map(({ index }) => index)).toEqual(inputs.map((_, i) => i))
    const { data: alone } = await classify({ inputs: 'text 2000' })
    expect(data[2000]!.predictions).toEqual(alone[0]!.predictions)
  })
})

describe('names', () => {
  beforeEach(async () => {
    await publishHead(registry, 'intent', createTestHead('intent'))
    await publishHead(registry, 'intent', createTestHead('other'), { alias: 'challenger' })
    await publishHead(registry, 'topic', createTestHead('topic'))
    await serve()
  })

  it.each([
    ['intent', 'intent@v1'],
    ['INTENT@champion', 'intent@v1'],
    ['intent@challenger', 'intent@v2'],
    ['intent@v2', 'intent@v2'],
  ])('resolves %s to %s', async (model, resolved) => {
    const { data } = await classify({ inputs: 'hi', model })
    expect(data[0]!.predictions.map((prediction) => prediction.model)).toEqual([resolved])
  })

  it('answers a list in its order, with repetitions', async () => {
    const model = ['topic', 'intent@v2', 'intent', 'topic@v1']
    const { data } = await classify({ inputs: 'hi', model })
    const [topic, , , again] = data[0]!.predictions
    expect(data[0]!.predictions.map((prediction) => prediction.model)).toEqual([
      'topic@v1',
      'intent@v2',
      'intent@v1',
      'topic@v1',
    ])
    expect(again).toEqual(topic)
  })

  it('splits traffic by the route key', async () => {
    await registry.setTraffic('intent', [
      { version: 1, percent: 50 },
      { version: 2, percent: 50 },
    ])
    await deps.classifiers.refresh()
    const ask = async (key: string) => {
      const response = await postJson(
        app,
        '/classify',
        { inputs: 'hi', model: 'intent' },
        { 'x-route-key': key },
      )
      return classifyResponseSchema.parse(await response.json()).data[0]!.predictions[0]!.model
    }
    const keys = Array.from({ length: 20 }, (_, i) => `user-${i}`)
    const first = await Promise.all(keys.map(ask))
    expect(new Set(first)).toEqual(new Set(['intent@v1', 'intent@v2']))
    expect(await Promise.all(keys.map(ask))).toEqual(first)
  })

  it.each([
    [{ model: 'nothing' }, 404, 'model_not_found', /"nothing".*there is: intent, topic/],
    [{ model: 'intnt' }, 404, 'model_not_found', /did you mean "intent"/],
    [{ model: 'intent@v9' }, 404, 'version_not_found', /intent.*v9/],
    [
      { model: 'intent@stable' },
      404,
      'version_not_found',
      /no stable; it has v1, v2, champion, challenger/,
    ],
    [{ model: '../x' }, 400, 'invalid_name', /"\.\.\/x"/],
    [{ model: ['intent', 'a@b@c'] }, 400, 'invalid_name', /a@b@c/],
    [{ model: 'fake-encoder' }, 400, 'wrong_model_kind', /is an encoder/],
    [{}, 400, 'invalid_request', /2 classifiers: intent, topic/],
    [{ model: [] }, 400, 'invalid_request', /empty list/],
    [
      { model: Array.from({ length: 101 }, () => 'intent') },
      400,
      'invalid_request',
      /101 items; the limit is 100/,
    ],
    [{ model: 7 }, 400, 'invalid_request', /model must be/],
    [{ model: 'intent', top_k: -1 }, 400, 'invalid_request', /top_k/],
    [{ model: 'intent', top_k: 1.5 }, 400, 'invalid_request', /top_k/],
    [{ model: 'intent', threshold: 1.01 }, 400, 'invalid_request', /threshold/],
    [{ model: 'intent', threshold: -0.1 }, 400, 'invalid_request', /threshold/],
    [{ model: 'intent', inputs: [] }, 400, 'empty_input', /inputs is an empty list/],
    [{ model: 'intent', inputs: ['a', ''] }, 400, 'empty_input', /inputs\[1\]/],
    [
      { model: 'intent', inputs: ['x '.repeat(50)], truncate: false },
      400,
      'input_too_long',
      /inputs\[0\]/,
    ],
  ])('refuses %j', async (body, status, code, message) => {
    const failure = await fail({ inputs: 'hi', ...body })
    expect(failure).toMatchObject({ status, code })
    expect(failure.message).toMatch(message)
  })

  it('names the item of a list that is at fault', async () => {
    const failure = await fail({ inputs: 'hi', model: ['intent', 'topic@v7'] })
    expect(failure).toMatchObject({ code: 'version_not_found', param: 'model[1]' })
  })

  it('refuses an answer that would list too many labels', async () => {
    await publishHead(registry, 'huge', createTestHead('huge', {}, 300))
    await deps.classifiers.refresh()
    const inputs = Array.from({ length: 2048 }, () => 'hi')
    const failure = await fail({ inputs, model: 'huge', top_k: 300 })
    expect(failure).toMatchObject({ status: 413, code: 'too_many_inputs' })
    expect(failure.message).toContain('614400 labels; the limit is 500000')
  })

  it('lists classifiers without loading them', async () => {
    await publishHead(registry, 'draft', createTestHead('draft'), { alias: null })
    await deps.classifiers.refresh()
    const response = await app.request('/v1/models')
    const { data } = modelListSchema.parse(await response.json())
    expect(data.map(({ id, kind }) => [id, kind])).toEqual([
      ['fake-encoder', 'embedding'],
      ['draft', 'classifier'],
      ['intent', 'classifier'],
      ['topic', 'classifier'],
    ])
    expect(data[2]).toMatchObject({
      version: 1,
      versions: [1, 2],
      aliases: { champion: 1, challenger: 2 },
      family: 'a'.repeat(64),
      label_count: 3,
    })
    expect(data[1]).toMatchObject({ version: null, versions: [1] })
    expect(deps.classifiers.stats().loaded).toBe(0)
    const one = await app.request('/v1/models/intent@challenger')
    expect(await one.json()).toMatchObject({ id: 'intent', version: 2 })
    expect((await app.request('/v1/models/intent@v9')).status).toBe(404)
  })

  it('counts heads in the metrics', async () => {
    await classify({ inputs: 'hi', model: ['intent', 'topic'] })
    const text = await (await app.request('/metrics')).text()
    expect(text).toContain('espalier_heads_loaded_total 2')
    expect(text).toContain('espalier_heads_evicted_total 0')
    expect(text).toMatch(/espalier_heads_bytes [1-9]/)
  })
})

describe('a registry without classifiers', () => {
  it('says how to get one', async () => {
    await serve()
    const failure = await fail({ inputs: 'hi' })
    expect(failure).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
    expect(failure.message).toBe('there is no classifier yet: train one and promote it')
  })
})
