import { afterEach, describe, expect, expectTypeOf, it } from 'vitest'
import { createApp } from '../../../functions/api/app.ts'
import {
  type ClientOptions,
  createClient,
  EspalierClientError,
  type Health,
  type Info,
  type Model,
} from '../../../shared/client/client.ts'
import type { Health as WireHealth } from '../../../shared/contract/health.ts'
import type { Info as WireInfo } from '../../../shared/contract/info.ts'
import type { Model as WireModel } from '../../../shared/contract/models.ts'
import { keepScores } from '../../../shared/head/prediction-sets.ts'
import { describeKey } from '../../../shared/lib/api-keys.ts'
import { createApiDeps } from '../../fakes/api-deps.ts'
import { createFakeEncoder } from '../../fakes/fake-encoder.ts'
import { createTestHead, createTestRegistry, publishHead } from '../../fakes/heads.ts'
import { fixedKeys } from '../../fakes/open-keys.ts'

type Deps = Awaited<ReturnType<typeof createApiDeps>>
type Handle = (url: string, init: RequestInit) => Promise<Response> | Response

let deps: Deps
afterEach(() => deps.close())

/** The real application behind a client, without a port; `around` may look at what goes by. */
async function connect(
  options: Partial<ClientOptions> = {},
  given: Parameters<typeof createApiDeps>[0] & { keys?: string } = {},
  around: (url: string, init: RequestInit, next: Handle) => Promise<Response> = async (...args) =>
    args[2](args[0], args[1]),
) {
  deps = await createApiDeps(given)
  const keys = given.keys ? await fixedKeys(given.keys) : undefined
  const app = createApp({ ...deps, keys })
  const answer: Handle = (url, init) => app.request(url, init)
  const fetch = (url: unknown, init: unknown) => around(String(url), init as RequestInit, answer)
  return createClient({
    baseUrl: 'http://server.example/',
    fetch: fetch as typeof globalThis.fetch,
    ...options,
  })
}

const texts = Array.from({ length: 11 }, (_, index) => `text ${index}`)

async function vectorsOf(inputs: readonly string[]): Promise<Float32Array[]> {
  const { vectors, dimension } = await createFakeEncoder().encode(inputs, {
    truncate: true,
    truncationDirection: 'right',
    normalize: true,
  })
  return inputs.map((_, row) => vectors.slice(row * dimension, (row + 1) * dimension))
}

async function failureOf(call: Promise<unknown>): Promise<EspalierClientError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(EspalierClientError)
  return error as EspalierClientError
}

describe('a client', () => {
  it('embeds one text, to the same bits', async () => {
    const client = await connect()
    const result = await client.embed('one text')
    expect(result).toEqual({
      model: 'fake-encoder@v1',
      fingerprint: 'f'.repeat(64),
      dimensions: 8,
      embeddings: await vectorsOf(['one text']),
      tokens: 4,
    })
  })

  it('sends many in batches, a few at once, and keeps their order', async () => {
    const sizes: number[] = []
    let [inside, most] = [0, 0]
    const client = await connect({ batchSize: 2, concurrency: 3 }, {}, async (url, init, next) => {
      sizes.push(JSON.parse(String(init.body)).input.length)
      most = Math.max(most, ++inside)
      // The later ones answer first.
      for (let turns = 12 - sizes.length; turns > 0; turns--) await Promise.resolve()
      const response = await next(url, init)
      inside--
      return response
    })
    const { embeddings, tokens } = await client.embed(texts)
    expect(embeddings).toEqual(await vectorsOf(texts))
    expect(tokens).toBe(44)
    expect(sizes).toEqual([2, 2, 2, 2, 2, 1])
    expect(most).toBe(3)
  })

  it('keeps batches below a number of bytes; what is larger goes alone', async () => {
    const sizes: number[] = []
    const client = await connect({ batchBytes: 30 }, {}, async (url, init, next) => {
      sizes.push(JSON.parse(String(init.body)).input.length)
      return next(url, init)
    })
    const inputs = ['short', 'short', 'x'.repeat(100), 'éééééééé', 'ééééé']
    expect((await client.embed(inputs)).embeddings).toEqual(await vectorsOf(inputs))
    expect(sizes).toEqual([2, 1, 1, 1])
  })

  it('asks the first version again where another one answered meanwhile', async () => {
    const asked: unknown[] = []
    const client = await connect({ batchSize: 4, concurrency: 1 }, {}, async (url, init, next) => {
      const { model } = JSON.parse(String(init.body))
      asked.push(model)
      const response = await next(url, init)
      if (asked.length !== 2) return response
      const body = { ...((await response.json()) as object), model: 'fake-encoder@v2' }
      return Response.json(body, { headers: response.headers })
    })
    const { model, embeddings } = await client.embed(texts)
    expect(model).toBe('fake-encoder@v1')
    expect(embeddings).toEqual(await vectorsOf(texts))
    expect(asked).toEqual([undefined, undefined, undefined, 'fake-encoder@v1'])
  })

  it('classifies with one or several classifiers, under one route key', async () => {
    const registry = createTestRegistry()
    for (const name of ['first', 'second']) await publishHead(registry, name, createTestHead(name))
    const routes = new Set<string | null>()
    const client = await connect({ batchSize: 4 }, { registry }, async (url, init, next) => {
      routes.add(new Headers(init.headers).get('x-route-key'))
      return next(url, init)
    })
    const [first, second] = await client.classifyWith(['first', 'second'], texts, { topK: 1 })
    expect([first!.model, second!.model]).toEqual(['first@v1', 'second@v1'])
    expect(first!.predictions).toHaveLength(11)
    expect(first!.predictions[3]).toEqual({
      label: expect.stringMatching(/^first[012]$/),
      score: expect.any(Number),
      labels: [expect.objectContaining({ label: first!.predictions[3]!.label })],
      inDistribution: null,
      oodScore: null,
    })
    expect(routes.size).toBe(1)
    const alone = await client.classify(texts, { model: 'second', topK: 1, routeKey: 'mine' })
    expect(alone).toEqual(second)
    expect(routes).toContain('mine')
  })

  it('asks for prediction sets, thresholds of labels and scores to answer from', async () => {
    const registry = createTestRegistry()
    const held = [0, 1, 2].map((label) => keepScores(label === 2 ? [0.3] : [0.1, 0.2, 0.3, 0.4]))
    const sets = { ...keepScores([0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4, 0.3]), byLabel: held }
    await publishHead(registry, 'first', createTestHead('first'), { answers: { sets } })
    const client = await connect({}, { registry })
    const wishes = { predictionSet: { coverage: 0.8, byLabel: true }, minScore: 0.7, topK: 3 }
    const { predictions } = await client.classify(texts, { ...wishes, thresholds: { first0: 1 } })
    const plain = await client.classify(texts, { topK: 3 })
    for (const [row, { set, abstained, labels }] of predictions.entries()) {
      const all = plain.predictions[row]!.labels
      expect(labels).toEqual(all.filter(({ label }) => label !== 'first0'))
      expect(abstained).toBe(all[0]!.score < 0.7)
      const inSet = all.filter(({ label, score }) => label === 'first2' || score >= 0.1)
      expect(set).toEqual({ labels: inSet, coverage: 0.8, byLabel: true, tooFewRows: 1 })
    }
    expect(plain.predictions[0]).not.toHaveProperty('set')
  })

  it('sends images as bytes or base64', async () => {
    const encoder = createFakeEncoder({ modality: 'image' })
    const client = await connect({}, { encoder })
    const bytes = new Uint8Array(100_000).map((_, index) => index % 251)
    const image = Buffer.from(bytes).toString('base64')
    const { embeddings } = await client.embed([{ image: bytes }, { image }])
    expect(embeddings[0]).toEqual(embeddings[1])
    const odd = await failureOf(client.embed(['fine', 7 as unknown as string]))
    expect(odd).toMatchObject({ code: 'invalid_request', index: 1, param: 'inputs[1]' })
  })

  it('tells of a failure as data, and which input of the whole call it is', async () => {
    const client = await connect({ batchSize: 4, concurrency: 1 })
    const bad = texts.with(9, '')
    const error = await failureOf(client.embed(bad))
    expect(error).toMatchObject({
      name: 'EspalierClientError',
      code: 'empty_input',
      status: 400,
      param: 'input[1]',
      index: 9,
      requestId: expect.stringMatching(/^req_/),
      retryAfterSeconds: null,
      message: 'input[1] is an empty string (in the request with inputs 8 to 10)',
    })
    expect(await failureOf(client.embed([]))).toMatchObject({ code: 'empty_input', status: null })
    const nobody = await failureOf(client.classify('a', { model: 'nobody' }))
    expect(nobody).toMatchObject({ code: 'model_not_found', status: 404, param: 'model' })
  })

  it('ends the other requests of a call that failed', async () => {
    let ended = 0
    const client = await connect({ batchSize: 1, concurrency: 3 }, {}, (url, init, next) => {
      if (JSON.parse(String(init.body)).input[0] === '') return Promise.resolve(next(url, init))
      return new Promise((_, reject) => {
        init.signal!.addEventListener('abort', () => {
          ended++
          reject(init.signal!.reason)
        })
      })
    })
    const error = await failureOf(client.embed(['a', 'b', '', 'd']))
    expect(error).toMatchObject({ code: 'empty_input', index: 2 })
    expect(ended).toBe(2)
  })

  it('lists and describes models, health, and what a refresh brought', async () => {
    const registry = createTestRegistry()
    await publishHead(registry, 'intent', createTestHead('intent'))
    const client = await connect({}, { registry })
    expect((await client.models()).map(({ id, kind }) => [id, kind])).toEqual([
      ['fake-encoder', 'embedding'],
      ['intent', 'classifier'],
    ])
    expect(await client.model('intent@v1')).toMatchObject({ label_count: 3, version: 1 })
    expect(await client.info()).toMatchObject({ dimension: 8, max_client_batch_size: 2048 })
    expect(await client.health()).toMatchObject({ status: 'ok', encoder: 'fake-encoder@v1' })
  })

  it('has the server look at its registry', async () => {
    const [registry, apiKey] = [createTestRegistry(), 't'.repeat(20)]
    const client = await connect({ apiKey }, { registry, env: { ESPALIER_ADMIN_TOKEN: apiKey } })
    expect(await client.refresh()).toEqual([])
    await publishHead(registry, 'late', createTestHead('late'))
    expect(await client.refresh()).toContainEqual({ model: 'late', change: 'added' })
  })

  it('takes a server that is starting as an answer', async () => {
    const client = await connect({}, { starting: true })
    expect(await client.health()).toEqual({ status: 'starting' })
  })

  it('shows its key', async () => {
    const key = `esp_${'k'.repeat(40)}`
    const keys = describeKey('me', ['infer', 'admin'], key)
    const stranger = await connect({}, { keys })
    expect(await failureOf(stranger.embed('a'))).toMatchObject({
      status: 401,
      code: 'unauthorized',
    })
    await deps.close()
    const client = await connect({ apiKey: key }, { keys })
    expect((await client.embed('a')).dimensions).toBe(8)
  })

  it('has the types of the contract', () => {
    expectTypeOf<WireModel>().toExtend<Model>()
    expectTypeOf<keyof WireModel>().toEqualTypeOf<keyof Model>()
    type Kind<T, K> = Extract<T, { kind: K }>
    type Kinds = WireModel['kind']
    expectTypeOf<Kinds>().toEqualTypeOf<Model['kind']>()
    expectTypeOf<keyof Kind<WireModel, 'embedding'>>().toEqualTypeOf<
      keyof Kind<Model, 'embedding'>
    >()
    expectTypeOf<keyof Kind<WireModel, 'classifier'>>().toEqualTypeOf<
      keyof Kind<Model, 'classifier'>
    >()
    expectTypeOf<WireInfo>().toExtend<Info>()
    expectTypeOf<keyof WireHealth>().toEqualTypeOf<keyof Health>()
    expect(createClient({ baseUrl: 'http://a' })).toBeDefined()
  })
})
