import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { classifyResponseSchema } from '../../shared/contract/classify.ts'
import { countAnswers } from '../../shared/drift/answer-counts.ts'
import type { AnswerFacts } from '../../shared/head/answers.ts'
import { toReference } from '../../shared/jobs/heads/answers.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import {
  createTestDetector,
  createTestHead,
  createTestRegistry,
  publishHead,
} from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

const HOUR_MS = 3_600_000
const HEAD = createTestHead('label', { detector: createTestDetector() })
const textsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => `text number ${first + i}`)

let registry: Registry
let deps: ApiTestDeps
let app: ApiApp
let nowMs = 0

beforeEach(() => {
  registry = createTestRegistry()
  nowMs = 0
})
afterEach(() => deps.close())

async function serve(env: Record<string, string> = {}): Promise<void> {
  deps = await createApiDeps({
    registry,
    monotonicMs: () => nowMs,
    env: { ESPALIER_DRIFT_WINDOW: '100', ...env },
  })
  app = createApp(deps)
}

/** Sends texts ten by ten, as a window takes no more of one request. */
async function send(model: string, texts: readonly string[]) {
  const predictions = []
  for (let at = 0; at < texts.length; at += 10) {
    const response = await postJson(app, '/classify', { model, inputs: texts.slice(at, at + 10) })
    const { data } = classifyResponseSchema.parse(await response.json())
    predictions.push(...data.map((each) => each.predictions[0]!))
  }
  return predictions
}

/** The reference of the head on texts like those that are sent later. */
async function learnReference(rows = 400): Promise<AnswerFacts> {
  await publishHead(registry, 'plain', HEAD)
  await serve()
  const said = await send('plain', textsFrom(10_000, rows))
  await deps.close()
  const answers = said.map((each) => ({ ...each, inDistribution: each.in_distribution }))
  const counts = countAnswers(answers, { multiLabel: false })
  return { reference: toReference(counts, HEAD.labels, 'test') }
}

async function readDrift(): Promise<Record<string, number>> {
  const text = await (await app.request('/metrics')).text()
  const lines = text.split('\n').filter((line) => /^espalier_drift.*intent/.test(line))
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice('espalier_'.length, at), Number(line.slice(at + 1))]
    }),
  )
}

const driftLines = () => deps.log.lines.filter(({ message }) => message === 'drift')

describe('drift', () => {
  it('is tested in windows, an hour apart at least, and told in metrics and log', async () => {
    await publishHead(registry, 'intent', HEAD, { answers: await learnReference() })
    await serve()
    await send('intent', textsFrom(0, 90))
    expect(await readDrift()).toEqual({
      'drift_windows_total{model="intent@v1"}': 0,
      'drift_alarms_total{model="intent@v1"}': 0,
      'drift_window_answers{model="intent@v1"}': 90,
    })
    // The second window begins an hour after the first one began.
    await send('intent', [...textsFrom(90, 10), ...Array<string>(500).fill('always the same')])
    expect(await readDrift()).toMatchObject({
      'drift_windows_total{model="intent@v1"}': 1,
      'drift_alarms_total{model="intent@v1"}': 0,
      'drift_window_answers{model="intent@v1"}': 0,
      'drifted{model="intent@v1",test="scores"}': 0,
      'drifted{model="intent@v1",test="in_distribution"}': 0,
    })
    nowMs = HOUR_MS
    await send('intent', Array<string>(100).fill('always the same'))
    const after = await readDrift()
    expect(after).toMatchObject({
      'drift_windows_total{model="intent@v1"}': 2,
      'drift_alarms_total{model="intent@v1"}': 1,
      'drifted{model="intent@v1",test="scores"}': 1,
    })
    expect(after['drift_p_value{model="intent@v1",test="scores"}']).toBeLessThan(1e-4)
    const [first, second] = driftLines()
    expect(first).toMatchObject({ level: 'info', fields: { model: 'intent@v1', alarm: false } })
    expect(second).toMatchObject({
      level: 'warn',
      fields: { alarm: true, answers: 100, rows: 400, scores: { drifted: true } },
    })
    expect(JSON.stringify(second)).not.toContain('always the same')
  })

  it('takes a tenth of a window of one request at most', async () => {
    await publishHead(registry, 'intent', HEAD, { answers: await learnReference() })
    await serve()
    const inputs = Array<string>(1000).fill('always the same')
    await postJson(app, '/classify', { model: 'intent', inputs })
    expect(await readDrift()).toMatchObject({ 'drift_window_answers{model="intent@v1"}': 10 })
    const text = await (await app.request('/metrics')).text()
    expect(text).toContain('espalier_prediction_score_count{model="intent@v1"} 1000')
  })

  it('is not tested where a version has no reference, or too small a one, or it is turned off', async () => {
    const facts = await learnReference(40)
    await publishHead(registry, 'intent-few', HEAD, { answers: facts })
    await publishHead(registry, 'intent-none', HEAD)
    await serve()
    for (const model of ['intent-few', 'intent-none']) await send(model, textsFrom(0, 200))
    expect(await readDrift()).toEqual({})
    await deps.close()
    await publishHead(registry, 'intent', HEAD, { answers: await learnReference() })
    await serve({ ESPALIER_DRIFT: 'off' })
    await send('intent', textsFrom(0, 200))
    expect(await readDrift()).toEqual({})
    expect(driftLines()).toEqual([])
  })

  it('looks at no labels of requests that choose how sure a label must be', async () => {
    await publishHead(registry, 'intent', HEAD, { answers: await learnReference() })
    await serve()
    for (const text of textsFrom(0, 100)) {
      await postJson(app, '/classify', { model: 'intent', inputs: text, threshold: 1 })
    }
    const metrics = await readDrift()
    expect(metrics).toMatchObject({ 'drifted{model="intent@v1",test="scores"}': 0 })
    expect(metrics).not.toHaveProperty('drifted{model="intent@v1",test="labels"}')
  })
})
