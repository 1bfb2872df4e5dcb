import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { type ClassifyResponse, classifyResponseSchema } from '../../shared/contract/classify.ts'
import type { Head } from '../../shared/head/head.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import {
  createTestDetector,
  createTestHead,
  createTestRegistry,
  publishHead,
} from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

const TEXTS = Array.from({ length: 30 }, (_, i) => `text number ${i}`)
let registry: Registry
let deps: ApiTestDeps
let app: ApiApp

beforeEach(() => {
  registry = createTestRegistry()
})
afterEach(() => deps.close())

async function serve(heads: Readonly<Record<string, Head>>): Promise<void> {
  for (const [name, head] of Object.entries(heads)) await publishHead(registry, name, head)
  deps = await createApiDeps({ registry })
  app = createApp(deps)
}

async function classify(body: object, path = '/classify') {
  const response = await postJson(app, path, body)
  expect(response.status).toBe(200)
  return response.json()
}

async function predictionsOf(body: object): Promise<ClassifyResponse['data']> {
  return classifyResponseSchema.parse(await classify(body)).data
}

/** Metrics of answers as series to values. */
async function readMetrics(): Promise<Record<string, number>> {
  const text = await (await app.request('/metrics')).text()
  const samples = text.split('\n').filter((line) => /^espalier_(?:prediction|drift)/.test(line))
  return Object.fromEntries(
    samples.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

function countBy(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

/** The most frequent first, as lines of the log have them. */
const listed = (labels: readonly string[]) =>
  Object.entries(countBy(labels))
    .map(([label, answers]) => ({ label, answers }))
    .sort((a, b) => b.answers - a.answers)

/** Of the last request for an answer. */
const lastLine = () =>
  deps.log.lines.filter(({ fields }) => String(fields.path).endsWith('/classify')).at(-1)!.fields

describe('what was answered', () => {
  it('is counted by version and label, with scores and inputs unlike the training data', async () => {
    await serve({ intent: createTestHead('label', { detector: createTestDetector() }) })
    const data = await predictionsOf({ model: 'intent', inputs: TEXTS })
    const answers = data.map(({ predictions }) => predictions[0]!)
    const metrics = await readMetrics()
    for (const [label, count] of Object.entries(countBy(answers.map((each) => each.label!)))) {
      expect(metrics[`espalier_predictions_total{model="intent@v1",label="${label}"}`]).toBe(count)
    }
    const foreign = answers.filter((each) => each.in_distribution === false).length
    expect(foreign).toBeGreaterThan(0)
    expect(metrics['espalier_predictions_out_of_distribution_total{model="intent@v1"}']).toBe(
      foreign,
    )
    const score = (rest: string) => metrics[`espalier_prediction_score_${rest}`]
    expect(score('count{model="intent@v1"}')).toBe(TEXTS.length)
    const sum = answers.reduce((total, each) => total + each.score, 0)
    expect(score('sum{model="intent@v1"}')).toBeCloseTo(sum, 4)
    for (const edge of [0.4, 0.9, 0.99]) {
      const below = answers.filter((each) => each.score <= edge).length
      expect(score(`bucket{le="${edge}",model="intent@v1"}`)).toBe(below)
    }
    expect(score('bucket{le="+Inf",model="intent@v1"}')).toBe(TEXTS.length)
  })

  it('is in the line of the log by classifier, without a text', async () => {
    const head = createTestHead('label', { detector: createTestDetector() })
    await serve({ intent: head, topic: createTestHead('topic') })
    const data = await predictionsOf({ model: ['intent', 'topic'], inputs: TEXTS })
    const [intent, topic] = [0, 1].map((at) => data.map(({ predictions }) => predictions[at]!))
    const mean = intent!.reduce((sum, { score }) => sum + score, 0) / TEXTS.length
    const edges = [
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => i / 10),
      0.95,
      0.98,
      0.99,
      0.995,
      0.999,
      1,
    ]
    const inside = intent!.filter((each) => each.in_distribution).length / TEXTS.length
    expect(lastLine().answered).toEqual([
      {
        model: 'intent@v1',
        answers: TEXTS.length,
        labels: listed(intent!.map((each) => each.label!)),
        meanScore: expect.closeTo(mean, 3),
        scores: countBy(intent!.map(({ score }) => String(edges.find((edge) => score <= edge)))),
        inDistribution: expect.closeTo(inside, 3),
      },
      {
        model: 'topic@v1',
        answers: TEXTS.length,
        labels: listed(topic!.map((each) => each.label!)),
        meanScore: expect.any(Number),
        scores: expect.any(Object),
      },
    ])
    expect(JSON.stringify(deps.log.lines)).not.toContain('text number')
  })

  it('is counted for clients of Cohere alike', async () => {
    await serve({ intent: createTestHead('label') })
    await classify({ model: 'intent', inputs: TEXTS }, '/v1/classify')
    const metrics = await readMetrics()
    expect(metrics['espalier_prediction_score_count{model="intent@v1"}']).toBe(TEXTS.length)
    expect(lastLine().answered).toMatchObject([{ model: 'intent@v1', answers: TEXTS.length }])
  })

  it('is told apart by version', async () => {
    await serve({ intent: createTestHead('label') })
    await publishHead(registry, 'intent', createTestHead('other'), { alias: null })
    await classify({ model: 'intent', inputs: TEXTS })
    await classify({ model: 'intent@v2', inputs: ['one'] })
    const metrics = await readMetrics()
    expect(metrics['espalier_prediction_score_count{model="intent@v1"}']).toBe(TEXTS.length)
    expect(metrics['espalier_prediction_score_count{model="intent@v2"}']).toBe(1)
  })

  it('counts every label of several, however many the answer lists, and answers without one', async () => {
    const many = { activation: 'sigmoid', thresholds: Float32Array.of(0.2, 0.5, 0.6) } as const
    await serve({ tags: createTestHead('tag', many) })
    const data = await predictionsOf({ model: 'tags', inputs: TEXTS, top_k: 3 })
    const given = data.map(({ predictions }) => predictions[0]!.labels.map(({ label }) => label))
    expect(given.some((labels) => labels.length > 1)).toBe(true)
    const before = await readMetrics()
    await classify({ model: 'tags', inputs: TEXTS, top_k: 1 })
    const after = await readMetrics()
    for (const [label, count] of Object.entries(countBy(given.flat()))) {
      const series = `espalier_predictions_total{model="tags@v1",label="${label}"}`
      expect([before[series], after[series]]).toEqual([count, 2 * count])
    }
    const none = given.filter((labels) => labels.length === 0).length
    expect(none).toBeGreaterThan(0)
    expect(before['espalier_predictions_total{model="tags@v1",label="none"}']).toBe(none)
    expect(lastLine().answered).toMatchObject([{ none }])
  })

  it('has 200 labels of a head and the others in one', async () => {
    const labels = Array.from({ length: 300 }, (_, i) => `label ${i}`)
    const weights = new Float32Array(300 * 8)
    // The bias alone decides, one label a version.
    const headOf = (best: number) => {
      const bias = new Float32Array(300).map((_, i) => (i === best ? 9 : 0))
      return createTestHead('many', { labels, weights, bias }, 300)
    }
    await serve({ near: headOf(199), far: headOf(200) })
    await classify({ model: ['near', 'far'], inputs: TEXTS })
    const metrics = await readMetrics()
    const total = (model: string, label: string) =>
      metrics[`espalier_predictions_total{model="${model}@v1",label="${label}"}`]
    expect(total('near', 'label 199')).toBe(TEXTS.length)
    expect(total('far', 'other')).toBe(TEXTS.length)
    expect(total('far', 'label 200')).toBeUndefined()
  })

  it('tells a label that is called other from the others, and escapes what a label may have', async () => {
    const labels = ['other', 'none', 'a "quoted"\nlabel\\']
    const one = (best: number): Partial<Head> => ({
      labels,
      weights: new Float32Array(24),
      bias: Float32Array.from(labels, (_, i) => (i === best ? 9 : 0)),
    })
    const silent = { activation: 'sigmoid', thresholds: Float32Array.of(1, 1, 1) } as const
    await serve({
      a: createTestHead('a', one(0)),
      b: createTestHead('b', one(2)),
      c: createTestHead('c', { ...one(-1), ...silent }),
    })
    await classify({ model: ['a', 'b', 'c'], inputs: ['one'] })
    const totals = Object.keys(await readMetrics()).filter((key) => key.includes('_total{'))
    expect(totals.filter((key) => key.startsWith('espalier_predictions_total'))).toEqual([
      'espalier_predictions_total{model="a@v1",label="other"}',
      'espalier_predictions_total{model="b@v1",label="a \\"quoted\\"\\nlabel\\\\"}',
      'espalier_predictions_total{model="c@v1",label="no label"}',
    ])
  })

  it('is nothing where a request fails', async () => {
    await serve({ intent: createTestHead('label') })
    const response = await postJson(app, '/classify', { model: 'intent', inputs: [''] })
    expect(response.status).toBe(400)
    expect(await readMetrics()).toEqual({})
    expect(lastLine()).not.toHaveProperty('answered')
  })
})
