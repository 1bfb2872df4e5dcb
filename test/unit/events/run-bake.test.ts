import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { bundleEvents } from '../../../bundle.mjs'
import { type BakeStep, createBake } from '../../../functions/events/run-bake.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { denied, type FakeAws, refusal, startFakeAws } from '../../fakes/fake-aws.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/fake-s3.ts'
import { sampleRequest } from '../registry/samples.ts'

const execute = promisify(execFile)
const MODEL = 'intent'
const START_MS = Date.parse('2026-12-01T09:00:00Z')

let aws: FakeAws
let s3: FakeS3
let registry: Registry
let change: object

beforeEach(async () => {
  aws = await startFakeAws()
  aws.logs.set('cpu', [])
  s3 = await startFakeS3()
  for (const [name, value] of Object.entries(environment())) vi.stubEnv(name, value)
  const clock = { wallMs: () => START_MS, monotonicMs: () => START_MS }
  registry = openRegistry(await openS3Store(s3.url('registry'), s3.options), { clock })
  for (const content of ['one', 'two']) {
    await registry.publish(sampleRequest(content, { name: MODEL }))
  }
  await registry.promote(MODEL, 1)
  const { history } = await registry.promote(MODEL, 2)
  change = { registry: 's3://…', model: MODEL, revision: 2, ...history.at(-1) }
  s3.requests.length = 0
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await registry.close()
  await s3.close()
  await aws.close()
})

const environment = () => ({ ...aws.env, AWS_ENDPOINT_URL_S3: s3.endpoint })
const settings = (changes: object = {}) => ({
  registry: 's3://fake-bucket/registry?region=eu-central-1',
  logGroups: ['cpu'],
  minutes: 10,
  errors: 0.05,
  latencyMs: null,
  ...changes,
})

/** Runs one step, some minutes after the promotion. */
function run(step: string, bake: object, { minutes = 1, ...changes } = {}): Promise<BakeStep> {
  const nowMs = START_MS + minutes * 60_000
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
  const handler = createBake({ logger: silentLogger, clock })
  return handler({ step, settings: settings(changes), bake })
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error as Error,
  )

describe('a step of a bake', () => {
  it('asks for the answers of the version since its promotion', async () => {
    const { outcome, query } = await run('ask', { change })
    expect(outcome).toBe('asked')
    expect(query?.atMs).toBe(START_MS + 60_000)
    expect(aws.calls).toMatchObject([
      {
        name: 'logs.StartQuery',
        input: {
          logGroupNames: ['cpu'],
          startTime: START_MS / 1000,
          endTime: START_MS / 1000 + 60,
          queryString: expect.stringContaining('intent@v2'),
        },
      },
    ])
    expect(s3.requests.filter((request) => !request.startsWith('GET'))).toEqual([])
  })

  it('reads what the query found, once it has run', async () => {
    const line = { msg: 'request', status: 500, heads: 'intent@v2', errorCode: 'internal' }
    for (let i = 0; i < 20; i++) aws.logs.get('cpu')!.push({ atMs: START_MS + 10, line })
    const asked = await run('ask', { change })
    const running = await run('read', asked)
    expect(running).toMatchObject({ outcome: 'running' })
    expect(await run('read', running)).toMatchObject({
      outcome: 'failing',
      reason: 'bake: 20 of 20 answers of intent@v2 failed within a minute',
    })
  })

  it('rolls back by writing the state of the model and the index, and nothing else', async () => {
    const { outcome, message } = await run('rollback', { change, reason: 'bake: it fails' })
    expect({ outcome, message }).toEqual({
      outcome: 'rolled_back',
      message: 'Espalier: intent was rolled back from v2 to v1. bake: it fails',
    })
    const written = s3.requests.filter((request) => request.startsWith('PUT'))
    expect(written.sort()).toEqual([
      'PUT registry/index.json',
      `PUT registry/models/${MODEL}/state.json`,
    ])
    const read = s3.requests.filter((request) => request.startsWith('GET registry/'))
    for (const request of read) expect(request).toMatch(/^GET registry\/(?:index\.json|models\/)/)
    const reading = await registry.readState(MODEL)
    const { state } = reading as typeof reading & { status: 'found' }
    expect(state.history.at(-1)).toMatchObject({ by: 'bake', reason: 'bake: it fails', to: 1 })
  })

  it('finds its own roll-back done when it is run again', async () => {
    const first = await run('rollback', { change, reason: 'bake: it fails' })
    expect(await run('rollback', { change, reason: 'bake: it fails' })).toEqual(first)
    expect(await registry.readState(MODEL)).toMatchObject({ state: { revision: 3 } })
  })
})

describe('a step that cannot be done', () => {
  it.each([
    ['nothing', undefined],
    ['no step', { settings: {}, bake: {} }],
    ['an unknown step', { step: 'promote', settings: settings(), bake: { change: {} } }],
  ])('%s is refused before anything is asked', async (_, input) => {
    const clock = { wallMs: () => 0, monotonicMs: () => 0 }
    const error = await failure(createBake({ logger: silentLogger, clock })(input))
    expect(error?.name).toBe('invalid_request')
    expect([...s3.requests, ...aws.calls]).toEqual([])
  })

  it('a reading without a query is refused', async () => {
    expect((await failure(run('read', { change })))?.name).toBe('invalid_request')
  })

  it('a log that it may not search names the right', async () => {
    aws.fault = denied
    const error = await failure(run('ask', { change }))
    expect(error?.name).toBe('forbidden')
    expect(error?.message).toContain('allow logs:StartQuery on arn:aws:logs:*:*:log-group:cpu:*')
    const read = await failure(run('read', { change, query: { id: 'q', atMs: START_MS } }))
    expect(read?.message).toContain('allow logs:GetQueryResults on *')
  })

  it('a log group that is gone is named', async () => {
    const error = await failure(run('ask', { change }, { logGroups: ['gone'] } as object))
    expect(error?.name).toBe('aws_unavailable')
    expect(error?.message).toContain('cannot search gone')
  })

  it('a query that fails is asked anew, three times at most', async () => {
    aws.fault = ({ name }) =>
      name === 'logs.GetQueryResults' ? { status: 200, body: { status: 'Timeout' } } : null
    const bake = { change, query: { id: 'q', atMs: START_MS } }
    expect(await run('read', bake)).toMatchObject({ outcome: 'again', tries: 1 })
    expect(await run('read', { ...bake, tries: 1 })).toMatchObject({ outcome: 'again', tries: 2 })
    const error = await failure(run('read', { ...bake, tries: 2 }))
    expect(error?.message).toContain('3 queries failed')
  })

  it('a registry that is away fails, and is named by its code', async () => {
    s3.script(...Array.from({ length: 20 }, () => forbid))
    const error = await failure(run('rollback', { change }))
    expect(error?.name).toBe('registry_unavailable')
  })

  it('CloudWatch asking to slow down is asked again', async () => {
    let left = 1
    aws.fault = () => (left-- > 0 ? refusal('ThrottlingException', 'Rate exceeded') : null)
    expect(await run('ask', { change })).toMatchObject({ outcome: 'asked' })
  })
})

const forbid: Parameters<FakeS3['script']>[0] = ({ send }) =>
  send({ status: 403, headers: {}, body: Buffer.from('<Error><Code>AccessDenied</Code></Error>') })

describe('the bundle', () => {
  it('needs nothing beside it, and writes its log as JSON', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-bake-'))
    try {
      const packages = await bundleEvents(folder)
      expect(packages.some((path) => path.endsWith('client-cloudwatch-logs'))).toBe(true)
      const entry = pathToFileURL(join(folder, 'bake.mjs')).href
      const inputs = [
        { step: 'ask', settings: settings(), bake: { change } },
        { step: 'rollback', settings: settings(), bake: { change, reason: 'bake: it fails' } },
      ]
      const script = `const { handler } = await import('${entry}')
const steps = []
for (const input of ${JSON.stringify(inputs)}) steps.push(await handler(input))
const error = await handler({}).catch(({ name }) => name)
console.log(JSON.stringify({ outcomes: steps.map(({ outcome }) => outcome), error }))`
      writeFileSync(join(folder, 'run.mjs'), script)
      const options = { cwd: folder, env: { PATH: process.env.PATH, ...environment() } }
      const { stdout } = await execute(process.execPath, ['run.mjs'], options)
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(lines.at(-1)).toEqual({ outcomes: ['asked', 'rolled_back'], error: 'invalid_request' })
      expect(lines[0]).toMatchObject({ level: 'info', model: MODEL, version: 2, step: 'ask' })
      expect(lines.at(-2)).toMatchObject({ level: 'error', errorCode: 'invalid_request' })
      expect(await registry.resolve(MODEL)).toMatchObject({ version: 1 })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
