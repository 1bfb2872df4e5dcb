import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { answersQuery, countAnswers } from '../../functions/events/count-answers.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { searchLogs } from '../fakes/fake-log-insights.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'

let registry: Registry
let deps: ApiTestDeps
let app: ApiApp
let isBroken: boolean

beforeEach(() => {
  registry = createTestRegistry()
  isBroken = false
})

afterEach(() => deps.close())

async function serve(): Promise<void> {
  const gate = async () => {
    if (isBroken) throw new Error('boom')
  }
  deps = await createApiDeps({ registry, encoder: createFakeEncoder({ gate }) })
  app = createApp(deps)
}

/** Posts one body after the other; gives the statuses, and all lines of requests so far with their versions. */
async function ask(path: string, ...bodies: object[]) {
  const statuses: number[] = []
  for (const body of bodies) statuses.push((await postJson(app, path, body)).status)
  const lines = deps.log.lines.filter(({ message }) => message === 'request')
  return { statuses, heads: lines.map(({ fields }) => fields.heads), lines }
}

describe('the log line of a failure', () => {
  beforeEach(async () => {
    await publishHead(registry, 'intent', createTestHead('intent'))
  })

  it.each([
    ['/classify', { inputs: 'play' }],
    ['/v1/classify', { inputs: ['play'], model: 'intent' }],
  ])('to %s names the version that was to answer', async (path, body) => {
    await serve()
    isBroken = true
    const { statuses, heads } = await ask(path, body)
    expect(statuses).toEqual([500])
    expect(heads).toEqual(['intent@v1'])
  })

  it('names the one version that cannot be loaded', async () => {
    const bytes = new TextEncoder().encode('no head at all')
    await publishHead(registry, 'topic', createTestHead('topic'), { bytes })
    await serve()
    const { statuses, heads } = await ask('/classify', {
      inputs: 'play',
      model: ['intent', 'topic'],
    })
    expect(statuses).toEqual([500])
    expect(heads).toEqual(['topic@v1'])
  })

  it('names none where none was found', async () => {
    await serve()
    const { statuses, heads } = await ask('/classify', { inputs: 'play', model: 'nobody' })
    expect(statuses).toEqual([404])
    expect(heads).toEqual([undefined])
  })

  it('names the versions of an answer as before', async () => {
    await serve()
    const { statuses, heads } = await ask('/classify', { inputs: 'play' })
    expect([statuses, heads]).toEqual([[200], ['intent@v1']])
  })

  it('is found by what a bake asks of the log', async () => {
    await serve()
    await ask('/classify', { inputs: 'play' }, { inputs: 'stop' }, { inputs: '' })
    isBroken = true
    const { statuses, lines } = await ask('/classify', { inputs: 'play' })
    expect(statuses).toEqual([500])
    const events = lines.map(({ fields, message }) => ({
      atMs: 0,
      // As it is written: keys without a value are left out.
      line: JSON.parse(JSON.stringify({ ...fields, msg: message })),
    }))
    const range = { groups: ['api'], start: 0, end: 1 }
    const rows = searchLogs(new Map([['api', events]]), answersQuery('intent@v1'), range)
    const found = rows!.map((row) =>
      Object.fromEntries(row.map(({ field, value }) => [field, value])),
    )
    expect(countAnswers(found)).toMatchObject({ answered: 2, failed: 1 })
  })
})
