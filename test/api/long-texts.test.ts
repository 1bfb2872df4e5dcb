import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { classifyResponseSchema } from '../../shared/contract/classify.ts'
import type { EncodeOptions } from '../../shared/encoder/types.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

const LONG = Array.from({ length: 40 }, (_, i) => `word${i}`).join(' ')
const USUAL: EncodeOptions = { truncate: true, truncationDirection: 'right', normalize: true }

let registry: Registry
let deps: ApiTestDeps
let app: ApiApp

beforeEach(async () => {
  registry = createTestRegistry()
  const head = createTestHead('a')
  const left = { truncationDirection: 'left', windows: null } as const
  const windows = { truncationDirection: 'right', windows: 'mean' } as const
  await publishHead(registry, 'usual', head)
  await publishHead(registry, 'left', { ...head, reading: left })
  await publishHead(registry, 'windows', { ...head, reading: windows })
  deps = await createApiDeps({ registry })
  app = createApp(deps)
})

afterEach(() => deps.close())

/** The scores of the head on the text, read so, worked out apart from the server. */
async function expectScores(options: Partial<EncodeOptions>): Promise<Record<string, number>> {
  const { vectors } = await createFakeEncoder().encode([LONG], { ...USUAL, ...options })
  const { labels, weights, bias, temperature } = createTestHead('a')
  const logits = labels.map((_, c) =>
    vectors.reduce((sum, x, i) => sum + x * weights[c * vectors.length + i]!, bias[c]!),
  )
  const powers = logits.map((logit) => Math.exp(logit / temperature))
  const total = powers.reduce((sum, power) => sum + power, 0)
  return Object.fromEntries(labels.map((label, c) => [label, powers[c]! / total]))
}

async function ask(body: object) {
  const response = await postJson(app, '/classify', { inputs: LONG, ...body })
  expect(response.status).toBe(200)
  const { data } = classifyResponseSchema.parse(await response.json())
  return data[0]!.predictions.map(({ labels }) =>
    Object.fromEntries(labels.map(({ label, score }) => [label, score])),
  )
}

function expectSame(got: Record<string, number>, expected: Record<string, number>): void {
  expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort())
  for (const [label, score] of Object.entries(expected)) expect(got[label]).toBeCloseTo(score, 5)
}

describe('long texts', () => {
  it('are read by each classifier as it was trained, in one request', async () => {
    const [usual, left, windows] = await ask({ model: ['usual', 'left', 'windows'] })
    expectSame(usual!, await expectScores({}))
    expectSame(left!, await expectScores({ truncationDirection: 'left' }))
    expectSame(windows!, await expectScores({ windows: 'mean' }))
  })

  it('are cut where the request says so', async () => {
    const [left] = await ask({ model: 'left', truncation_direction: 'right' })
    expectSame(left!, await expectScores({}))
    const [usual] = await ask({ model: 'usual', truncation_direction: 'left' })
    expectSame(usual!, await expectScores({ truncationDirection: 'left' }))
  })

  it('have one embedding only where all read them alike', async () => {
    const body = { inputs: LONG, model: ['usual', 'left'], return_embeddings: true }
    const response = await postJson(app, '/classify', body)
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('read long texts differently')
  })
})

describe('texts without a visible character', () => {
  it.each([' ', '\n\t', '\u00a0', '\u200b', '\ufeff', '\u0000', '\u3164'])(
    'are empty inputs: %j',
    async (text) => {
      for (const [path, body] of [
        ['/embed', { inputs: ['a', text] }],
        ['/classify', { inputs: ['a', text], model: 'usual' }],
        ['/v1/embeddings', { input: ['a', text] }],
      ] as const) {
        const response = await postJson(app, path, body)
        expect([path, response.status]).toEqual([path, 400])
        expect(await response.text()).toContain('[1] has no visible character')
      }
    },
  )
})
