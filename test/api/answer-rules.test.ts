import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { type ClassifyResponse, classifyResponseSchema } from '../../shared/contract/classify.ts'
import type { AnswerFacts } from '../../shared/head/answers.ts'
import type { Head } from '../../shared/head/head.ts'
import { keepScores } from '../../shared/head/prediction-sets.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import {
  createTestDetector,
  createTestHead,
  createTestRegistry,
  publishHead,
} from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

const TEXTS = Array.from({ length: 40 }, (_, i) => `text number ${i}`)
const ALL = { inputs: TEXTS, top_k: 10 }
let registry: Registry
let deps: ApiTestDeps
let app: ApiApp

beforeEach(async () => {
  registry = createTestRegistry()
  deps = await createApiDeps({ registry })
  app = createApp(deps)
})
afterEach(() => deps.close())

async function publish(name: string, changes: Partial<Head> = {}, answers?: AnswerFacts) {
  await publishHead(registry, name, createTestHead('label', changes), {
    ...(answers && { answers }),
  })
  await deps.classifiers.refresh()
}

async function predict(body: object) {
  const response = await postJson(app, '/classify', body)
  const json = (await response.json()) as ClassifyResponse
  expect(response.status, JSON.stringify(json)).toBe(200)
  return classifyResponseSchema.parse(json).data.map(({ predictions }) => predictions[0]!)
}

async function fail(body: object) {
  const response = await postJson(app, '/classify', body)
  expect(response.status).toBe(400)
  return ((await response.json()) as { error: { code: string; message: string; param: string } })
    .error
}

/** Held-out scores of three labels, ten rows each. */
function factsOf(...labels: number[][]): AnswerFacts {
  return { sets: { ...keepScores(labels.flat()), byLabel: labels.map(keepScores) } }
}
const tenths = Array.from({ length: 10 }, (_, i) => (i + 1) / 20)
const multi = { activation: 'sigmoid', thresholds: Float32Array.of(0.5, 0.5, 0.5) } as const

describe('prediction sets', () => {
  it('hold the labels that are likely enough, whatever is listed', async () => {
    await publish('intent', {}, factsOf(tenths, tenths, tenths))
    const all = await predict({ ...ALL, model: 'intent' })
    const prediction_set = { coverage: 0.8 }
    const answers = await predict({ inputs: TEXTS, model: 'intent', top_k: 1, prediction_set })
    // ⌈31 · 0.8⌉ = 25 of 30, the sixth lowest: 0.1.
    for (const [row, { labels, prediction_set: set }] of answers.entries()) {
      expect(labels).toHaveLength(1)
      expect(set).toEqual({
        labels: all[row]!.labels.filter(({ score }) => score >= 0.1),
        coverage: 0.8,
        by_label: false,
        too_few_rows: 0,
      })
    }
    const sizes = answers.map((each) => each.prediction_set!.labels.length)
    expect(new Set(sizes).size).toBeGreaterThan(1)
    expect(all[0]).not.toHaveProperty('prediction_set')
  })

  it('by label go by the scores of each', async () => {
    const high = tenths.map((score) => score + 0.4)
    await publish('intent', {}, factsOf(high, tenths, tenths.slice(0, 2)))
    const all = await predict({ ...ALL, model: 'intent' })
    const answers = await predict({ ...ALL, prediction_set: { coverage: 0.9, by_label: true } })
    // ⌈11 · 0.9⌉ = 10 of 10: the lowest. Two rows promise nothing, so that the label stands everywhere.
    const least: Record<string, number> = { label0: 0.45, label1: 0.05, label2: 0 }
    const [name] = all[0]!.labels.map(({ label }) => label)
    expect(Object.keys(least)).toContain(name)
    for (const [row, { prediction_set: set }] of answers.entries()) {
      expect(set).toEqual({
        labels: all[row]!.labels.filter(({ label, score }) => score >= least[label]!),
        coverage: 0.9,
        by_label: true,
        too_few_rows: 1,
      })
    }
  })

  it.each([
    [0, 'prediction_set.coverage'],
    [1, 'prediction_set.coverage'],
    [0.4999, 'prediction_set.coverage'],
    ['a', 'prediction_set.coverage'],
    [null, 'prediction_set.coverage'],
  ])('refuse a coverage of %j', async (coverage, param) => {
    await publish('intent', {}, factsOf(tenths, tenths, tenths))
    expect(await fail({ ...ALL, prediction_set: { coverage } })).toMatchObject({ param })
  })

  it('are refused where nothing was held out, or too little, or a text has several labels', async () => {
    await publish('plain')
    const wish = { ...ALL, prediction_set: { coverage: 0.9 } }
    expect(await fail({ ...wish, model: 'plain' })).toMatchObject({
      code: 'unsupported_answer',
      param: 'prediction_set',
      message: expect.stringMatching(/plain@v1 .*train it again/),
    })
    await publish('few', {}, factsOf([0.5], [0.5], [0.5]))
    expect((await fail({ ...wish, model: 'few' })).message).toContain('needs 9 held-out rows')
    await publish('tags', multi)
    expect((await fail({ ...wish, model: 'tags' })).message).toContain('several labels')
  })
})

describe('abstention', () => {
  const abstention = { precision: 0.9, minScore: 0.5, rows: 100, answered: 60, right: 58 }

  it('is told by a head with a score to answer from, and by a request that names one', async () => {
    await publish('plain')
    await publish('sure', {}, { abstention })
    const plain = await predict({ ...ALL, model: 'plain' })
    expect(plain.every((each) => !('abstained' in each))).toBe(true)
    const sure = await predict({ ...ALL, model: 'sure' })
    expect(sure.map(({ abstained }) => abstained)).toEqual(plain.map(({ score }) => score < 0.5))
    expect(new Set(sure.map(({ abstained }) => abstained)).size).toBe(2)
    // The label stays: who asks may still want it.
    expect(sure.map(({ label }) => label)).toEqual(plain.map(({ label }) => label))
    const asked = await predict({ ...ALL, model: 'sure', min_score: 0.6 })
    expect(asked.map(({ abstained }) => abstained)).toEqual(plain.map(({ score }) => score < 0.6))
    const off = await predict({ ...ALL, model: 'plain', min_score: 0 })
    expect(off.every(({ abstained }) => abstained === false)).toBe(true)
  })

  it('takes in inputs unlike the training data, however sure the score', async () => {
    await publish('sure', { detector: createTestDetector() }, { abstention })
    const answers = await predict({ ...ALL, min_score: 0 })
    const foreign = answers.map((each) => each.in_distribution === false)
    expect(new Set(foreign).size).toBe(2)
    expect(answers.map(({ abstained }) => abstained)).toEqual(foreign)
  })

  it('is refused where each label has a threshold of its own, and for scores that are none', async () => {
    await publish('tags', multi)
    expect(await fail({ ...ALL, min_score: 0.5 })).toMatchObject({
      param: 'min_score',
      message: expect.stringContaining('thresholds'),
    })
    expect((await fail({ ...ALL, min_score: 1.1 })).param).toBe('min_score')
    expect((await fail({ ...ALL, min_score: 'NaN' })).param).toBe('min_score')
  })
})

describe('thresholds of a request', () => {
  it('replace those of the labels that they name', async () => {
    await publish('tags', { ...multi, thresholds: Float32Array.of(0.9, 0.5, 0.05) })
    const all = await predict({ ...ALL, threshold: 0 })
    const own = await predict(ALL)
    const asked = await predict({ ...ALL, thresholds: { label0: 0.3, label2: 0.7 } })
    const least: Record<string, number> = { label0: 0.3, label1: 0.5, label2: 0.7 }
    for (const [row, { labels }] of asked.entries()) {
      expect(labels).toEqual(all[row]!.labels.filter(({ label, score }) => score >= least[label]!))
    }
    expect(asked).not.toEqual(own)
    const one = await predict({ ...ALL, thresholds: 0.2 })
    expect(one).toEqual(await predict({ ...ALL, threshold: 0.2 }))
  })

  it('hold for one label an input too, where the best may then be none', async () => {
    await publish('intent')
    const all = await predict(ALL)
    const asked = await predict({ ...ALL, thresholds: { label0: 1 } })
    for (const [row, { label }] of asked.entries()) {
      expect(label).toBe(all[row]!.labels.find((each) => each.label !== 'label0')!.label)
    }
  })

  it('are refused for labels that no classifier has, which are named', async () => {
    await publish('tags', multi)
    const error = await fail({ ...ALL, thresholds: { sport: 0.3, label1: 0.2, __proto: 0.1 } })
    expect(error).toMatchObject({ code: 'unsupported_answer', param: 'thresholds' })
    expect(error.message).toContain('tags@v1 has no label "sport", "__proto"')
  })

  it.each([
    [{ label0: 1.5 }, /^thresholds/],
    [{ label0: 'NaN' }, /^thresholds/],
    [-0.1, /^thresholds/],
    [['a'], /^thresholds/],
  ])('are refused as %j', async (thresholds, param) => {
    await publish('tags', multi)
    expect((await fail({ ...ALL, thresholds })).param).toMatch(param)
  })

  it('go before a threshold for all', async () => {
    await publish('tags', multi)
    const asked = await predict({ ...ALL, threshold: 0.1, thresholds: { label0: 0.6 } })
    const each = { label0: 0.6, label1: 0.1, label2: 0.1 }
    expect(asked).toEqual(await predict({ ...ALL, thresholds: each }))
    expect(asked).not.toEqual(await predict({ ...ALL, threshold: 0.1 }))
  })
})

describe('a file of answers of a later release', () => {
  it('is left aside, and told of once', async () => {
    const later = new TextEncoder().encode('{"schema":9,"sets":"otherwise"}')
    await publishHead(registry, 'intent', createTestHead('label'), { answersBytes: later })
    await deps.classifiers.refresh()
    await predict(ALL)
    await predict(ALL)
    expect(deps.log.lines.filter(({ fields }) => fields.schema === 9)).toEqual([
      expect.objectContaining({ level: 'warn', fields: { model: 'intent@v1', schema: 9 } }),
    ])
  })
})
