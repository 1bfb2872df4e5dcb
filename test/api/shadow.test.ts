import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { type ClassifyResponse, classifyResponseSchema } from '../../shared/contract/classify.ts'
import { classifierModelSchema } from '../../shared/contract/models.ts'
import type { Encoder } from '../../shared/encoder/types.ts'
import type { Head } from '../../shared/head/head.ts'
import { quantizeRows } from '../../shared/head/neighbours.ts'
import { routePosition } from '../../shared/registry/records/traffic.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

const TOKEN = 'a-token-for-the-tests'
const TEXTS = Array.from({ length: 40 }, (_, i) => `text number ${i}`)
let registry: Registry
let deps: ApiTestDeps
let app: ApiApp

beforeEach(() => {
  registry = createTestRegistry()
})
afterEach(() => deps.close())

/** Serves `intent`, v1 as champion and v2 as shadow; heads of the same labels that often disagree. */
async function serve(
  options: { encoder?: Encoder; shadow?: Partial<Head>; bytes?: Uint8Array; percent?: number } = {},
): Promise<void> {
  const { encoder, shadow = {}, bytes, percent = 100 } = options
  const champion = createTestHead('label')
  const { weights } = createTestHead('other')
  await publishHead(registry, 'intent', champion)
  const candidate = { ...champion, weights, ...shadow }
  await publishHead(registry, 'intent', candidate, { alias: null, ...(bytes && { bytes }) })
  await registry.setShadow('intent', { version: 2, samplePercent: percent })
  deps = await createApiDeps({
    registry,
    env: { ESPALIER_ADMIN_TOKEN: TOKEN },
    ...(encoder && { encoder }),
  })
  app = createApp(deps)
}

async function classify(body: object, key = 'someone'): Promise<ClassifyResponse> {
  const response = await postJson(app, '/classify', body, { 'x-route-key': key })
  const json = await response.json()
  expect(response.status, JSON.stringify(json)).toBe(200)
  return classifyResponseSchema.parse(json)
}

async function readShadow(token: string | null = TOKEN) {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
  const response = await app.request('/v1/models/intent', { headers })
  return classifierModelSchema.parse(await response.json()).shadow!
}

const compared = async () =>
  (await readShadow()).results!.reduce((sum, { inputs }) => sum + inputs, 0)

/** Sampled requests of one input each that were compared or skipped. */
async function counted(): Promise<number> {
  const { skipped } = await readShadow()
  return (await compared()) + Object.values(skipped!).reduce((a, b) => a + b, 0)
}

/** The first sampled requests only load the shadow. */
async function warmUp(): Promise<void> {
  let sent = 0
  await expect
    .poll(async () => {
      await classify({ inputs: 'warm up' }, 'warm up')
      sent++
      return compared()
    })
    .toBeGreaterThan(0)
  await expect.poll(counted).toBe(sent)
}

describe('a shadow', () => {
  it('is compared with every answer to the bare name, and changes none', async () => {
    await serve()
    await warmUp()
    const before = (await readShadow()).results![0]!
    const answered = await classify({ inputs: TEXTS, model: 'intent' })
    const champion = await classify({ inputs: TEXTS, model: 'intent@v1' })
    const shadow = await classify({ inputs: TEXTS, model: 'intent@v2' })
    expect(answered).toEqual(champion)
    await expect.poll(compared).toBe(before.inputs + TEXTS.length)
    const after = (await readShadow()).results![0]!

    const rows = champion.data.map(({ predictions }, i) => {
      return { old: predictions[0]!, new: shadow.data[i]!.predictions[0]! }
    })
    const agreed = rows.filter((row) => row.old.label === row.new.label).length
    expect(agreed).toBeGreaterThan(0)
    expect(agreed).toBeLessThan(TEXTS.length)
    expect(after.answered).toBe(1)
    expect(after.agreed - before.agreed).toBe(agreed)
    const total = (of: typeof after, key: 'mean_shift' | 'mean_absolute_shift') =>
      of[key]! * of.inputs
    const shifts = rows.map((row) => row.new.score - row.old.score)
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
    expect(total(after, 'mean_shift') - total(before, 'mean_shift')).toBeCloseTo(sum(shifts), 5)
    expect(total(after, 'mean_absolute_shift') - total(before, 'mean_absolute_shift')).toBeCloseTo(
      sum(shifts.map(Math.abs)),
      5,
    )
    const changed = sum(after.changes.map(({ inputs }) => inputs))
    expect(changed).toBe(after.inputs - after.agreed)
  })

  it('samples by the route key: the same keys every time, about as many as asked for', async () => {
    await serve({ percent: 30 })
    const keys = Array.from({ length: 300 }, (_, i) => `user-${i}`)
    const sampled = keys.filter((key) => routePosition('intent@shadow', key) < 30).length
    // 30 % of 300, five standard deviations around it.
    expect(Math.abs(sampled - 90)).toBeLessThan(40)
    for (const key of keys) await classify({ inputs: 'one' }, key)
    await expect.poll(counted).toBe(sampled)
    for (const key of keys) await classify({ inputs: 'two' }, key)
    await expect.poll(counted).toBe(2 * sampled)
  })

  it('stands aside while others wait for a worker', async () => {
    const encoder = createFakeEncoder()
    const load = () => ({ ...encoder.load(), queuedTokens: 1 })
    await serve({ encoder: { ...encoder, load } })
    for (let i = 0; i < 3; i++) await classify({ inputs: TEXTS })
    expect((await readShadow()).skipped).toMatchObject({ queue: 3, loading: 0 })
    expect(await compared()).toBe(0)
  })

  it('that cannot be read is logged once and never reaches a caller', async () => {
    await serve({ bytes: Uint8Array.of(1, 2, 3) })
    await classify({ inputs: 'one' })
    await expect
      .poll(async () => {
        await classify({ inputs: 'one' })
        return (await readShadow()).skipped!.failed
      })
      .toBeGreaterThan(1)
    const errors = deps.log.lines.filter(({ level }) => level === 'error')
    expect(errors.map(({ fields }) => fields.model)).toEqual(['intent@v2'])
  })

  it('is told apart for each version of a traffic split', async () => {
    await serve()
    await publishHead(registry, 'intent', createTestHead('label'), { alias: null })
    await registry.setTraffic('intent', [
      { version: 1, percent: 50 },
      { version: 3, percent: 50 },
    ])
    await deps.classifiers.refresh()
    await warmUp()
    for (let i = 0; i < 20; i++) await classify({ inputs: 'one' }, `user-${i}`)
    const answered = async () => (await readShadow()).results!.map((each) => each.answered).sort()
    await expect.poll(answered).toEqual([1, 3])
  })

  it('starts anew when it is another version, and ends when it is taken away', async () => {
    await serve()
    await warmUp()
    await publishHead(registry, 'intent', createTestHead('third'), { alias: null })
    await registry.setShadow('intent', { version: 3, samplePercent: 50 })
    await deps.classifiers.refresh()
    expect(await readShadow()).toMatchObject({ version: 3, sample_percent: 50, results: [] })
    await registry.setShadow('intent', null)
    await deps.classifiers.refresh()
    expect(await readShadow()).toBeNull()
  })

  it('keeps its details to administrators, and counts in the metrics without them', async () => {
    await serve()
    await warmUp()
    expect(await readShadow(null)).toEqual({ version: 2, sample_percent: 100 })
    expect(await readShadow('a-token-for-the-other')).not.toHaveProperty('results')
    const metrics = await (
      await app.request('/metrics', { headers: { authorization: `Bearer ${TOKEN}` } })
    ).text()
    const count = (pattern: RegExp) => Number(pattern.exec(metrics)?.[1])
    const agreed = count(/espalier_shadow_inputs_total\{model="intent",result="agreed"\} (\d+)/)
    const other = count(/espalier_shadow_inputs_total\{model="intent",result="disagreed"\} (\d+)/)
    expect(agreed + other).toBe(await compared())
    expect(metrics).toMatch(
      /espalier_shadow_score_shift_total\{model="intent",direction="(up|down)"\} 0\.\d+/,
    )
  })
})

describe('a shadow that searches a memory', () => {
  const memory = {
    ...quantizeRows(createTestHead('memory', {}, 6).weights, 8),
    labels: Int32Array.of(0, 1, 2, 0, 1, 2),
    k: 3,
    temperature: 0.2,
    weight: 0.5,
  }

  it('is scored by a pass of its own, for which no answer waits and which holds little back', async () => {
    const encoder = createFakeEncoder()
    let pass: Promise<void> | null = null
    let open = () => {}
    const encode: Encoder['encode'] = async (inputs, options) => {
      if (options.search?.length) await pass
      return encoder.encode(inputs, options)
    }
    await serve({ encoder: { ...encoder, encode }, shadow: { memory } })
    await warmUp()
    pass = new Promise((resolve) => {
      open = resolve
    })
    const before = await compared()
    const sent = 100
    for (let i = 0; i < sent; i++) await classify({ inputs: `text ${i}` })
    expect(await compared()).toBe(before)
    const { busy } = (await readShadow()).skipped!
    expect(busy).toBeGreaterThan(0)
    open()
    await expect.poll(compared).toBe(before + sent - busy)
  })

  it('says what it says when it is asked by its version', async () => {
    await serve({ shadow: { memory } })
    await warmUp()
    const before = (await readShadow()).results![0]!
    const champion = await classify({ inputs: TEXTS })
    const shadow = await classify({ inputs: TEXTS, model: 'intent@v2' })
    await expect.poll(compared).toBe(before.inputs + TEXTS.length)
    const agreed = champion.data.filter(({ predictions }, i) => {
      return predictions[0]!.label === shadow.data[i]!.predictions[0]!.label
    })
    expect((await readShadow()).results![0]!.agreed - before.agreed).toBe(agreed.length)
  })
})
