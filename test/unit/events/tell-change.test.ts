import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { bundleEvents } from '../../../bundle.mjs'
import { createTellChange } from '../../../functions/events/tell-change.ts'
import type { Logger } from '../../../shared/lib/logger.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { denied, type FakeAws, refusal, startFakeAws } from '../../fakes/fake-aws.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/fake-s3.ts'
import { sampleRequest } from '../registry/samples.ts'

const execute = promisify(execFile)
const MODEL = 'intent'
const STATE = `registry/models/${MODEL}/state.json`
const REGION = 'eu-central-1'

let aws: FakeAws
let s3: FakeS3
let registry: Registry

beforeEach(async () => {
  aws = await startFakeAws()
  s3 = await startFakeS3()
  for (const [name, value] of Object.entries(environment())) vi.stubEnv(name, value)
  registry = openRegistry(await openS3Store(s3.url('registry'), s3.options))
  for (const content of ['one', 'two', 'three']) {
    await registry.publish(sampleRequest(content, { name: MODEL }))
  }
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await registry.close()
  await s3.close()
  await aws.close()
})

const environment = () => ({ ...aws.env, AWS_ENDPOINT_URL_S3: s3.endpoint })

/** What S3 tells EventBridge of a writing. */
const created = (key: string, versionId: string | undefined) => ({
  source: 'aws.s3',
  'detail-type': 'Object Created',
  region: REGION,
  detail: {
    bucket: { name: 'fake-bucket' },
    object: { key, size: 1, 'version-id': versionId },
    reason: 'PutObject',
  },
})

/** An event for every writing of a state so far, in order. */
const writings = () =>
  [...s3.bucket.writings]
    .filter(([, { key }]) => key === STATE)
    .map(([versionId]) => created(STATE, versionId))

/** Tells of all writings, the last one first: none needs the one before it. */
async function tellAll(): Promise<void> {
  const tell = createTellChange({ logger: silentLogger })
  for (const event of writings().toReversed()) await tell(event)
  aws.events.reverse()
}

/** Makes one version of an object, and the event that S3 sends of it. */
function write(body: string, key = STATE) {
  const versionId = `v${s3.bucket.writings.size + 1}`
  s3.bucket.writings.set(versionId, { key, body: Buffer.from(body) })
  return created(key, versionId)
}

/** Runs the handler to its failure; gives that and what was logged. */
async function fail(event: unknown) {
  const logged: { fields: object; message: string | undefined }[] = []
  const logger: Logger = {
    ...silentLogger,
    error: (fields, message) => void logged.push({ fields, message }),
  }
  const error = await createTellChange({ logger })(event).then(
    () => null,
    (reason: unknown) => reason as Error & { readonly code: string },
  )
  return { error, logged }
}

describe('a change of a model', () => {
  it('is told with what the history has of it', async () => {
    const by = { by: 'ann', reason: 'better on long texts' }
    await registry.promote(MODEL, 1)
    await registry.promote(MODEL, 2, by)
    await registry.rollback(MODEL)
    await registry.promote(MODEL, 3, { alias: 'challenger' })
    await registry.removeAlias(MODEL, 'challenger')
    const traffic = [
      { version: 1, percent: 90 },
      { version: 2, percent: 10 },
    ]
    await registry.setTraffic(MODEL, traffic, by)
    await registry.setShadow(MODEL, { version: 3, samplePercent: 5 })
    await registry.promote(MODEL, 2)
    await registry.setShadow(MODEL, null)
    await registry.deleteVersion(MODEL, 3)
    const state = await registry.readState(MODEL)
    await tellAll()

    const details = aws.events.map(({ detail }) => detail)
    expect(details).toMatchObject([
      { action: 'promote', alias: 'champion', from: null, to: 1 },
      { action: 'promote', alias: 'champion', from: 1, to: 2, ...by },
      { action: 'rollback', alias: 'champion', from: 2, to: 1 },
      { action: 'promote', alias: 'challenger', from: null, to: 3 },
      { action: 'remove', alias: 'challenger', from: 3, to: null },
      { action: 'traffic', traffic, ...by },
      { action: 'shadow', shadow: { version: 3, samplePercent: 5 } },
      { action: 'promote', alias: 'champion', from: 1, to: 2, trafficBefore: traffic },
      { action: 'shadow', shadow: null, shadowBefore: { version: 3, samplePercent: 5 } },
      { action: 'delete', from: 3, to: null },
    ])
    const history = state.status === 'found' ? state.state.history : []
    expect(history).toHaveLength(10)
    const place = { registry: `s3://fake-bucket/registry?region=${REGION}`, model: MODEL }
    expect(details).toEqual(
      history.map((change, index) => ({ ...place, revision: index + 1, ...change })),
    )
  })

  it('is an event that rules find, at the time of the change', async () => {
    await registry.promote(MODEL, 1)
    await tellAll()
    const [event] = aws.events
    expect(event).toMatchObject({ source: 'espalier.registry', type: 'Espalier Model Changed' })
    const at = Date.parse(String(event?.detail.at))
    expect(event?.time).toBe(at / 1000)
  })

  it('has the same id however often S3 tells of it', async () => {
    await registry.promote(MODEL, 1)
    await tellAll()
    await tellAll()
    const [first, second, ...others] = aws.events.map(({ detail }) => detail)
    expect(others).toEqual([])
    expect(second).toEqual(first)
    expect(first?.id).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('asks S3 for the version that was written, and for nothing else', async () => {
    await registry.promote(MODEL, 1)
    s3.requests.length = 0
    await tellAll()
    expect(s3.requests).toEqual([`GET ${STATE}`])
  })
})

describe('what cannot be told of', () => {
  it.each([
    ['no JSON', '{"schema":1', /not JSON/],
    ['no state', '{"schema":1,"name":"intent"}', /revision/],
    ['of a newer program', '{"schema":9}', /upgrade/],
    [
      'without a history',
      '{"schema":1,"name":"intent","revision":0,"aliases":{},"traffic":null,"shadow":null,"deleted":[],"history":[]}',
      /no history/,
    ],
    [
      'the state of another model',
      '{"schema":1,"name":"other","revision":0,"aliases":{},"traffic":null,"shadow":null,"deleted":[],"history":[]}',
      /another model/,
    ],
    ['too large', ' '.repeat(1024 * 1024 + 1), /at most 1048576/],
  ])('a state that is %s is logged, and fails', async (_, body, why) => {
    const event = write(body)
    const { error, logged } = await fail(event)
    expect(error?.message).toMatch(why)
    expect(logged).toMatchObject([
      {
        fields: { err: error, place: { object: { key: STATE } } },
        message: 'a change was not told of',
      },
    ])
    expect(aws.calls).toEqual([])
  })

  it.each([
    ['nothing', undefined],
    ['an event of a bucket without versions', created(STATE, undefined)],
    ['another object of the registry', created(`registry/models/${MODEL}/versions/1.json`, 'v1')],
    ['a name that no model has', created('registry/models/a/b/state.json', 'v1')],
  ])('%s is refused before anything is asked', async (_, event) => {
    s3.requests.length = 0
    const { error } = await fail(event)
    expect(error?.code).toBe('invalid_request')
    expect([...s3.requests, ...aws.calls]).toEqual([])
  })

  it('a version that is gone names the place and the right', async () => {
    const { error } = await fail(created(STATE, 'v99'))
    expect(error?.code).toBe('registry_unavailable')
    expect(error?.message).toContain(`cannot read a version of ${STATE}`)
  })

  it('a bus that refuses names the right', async () => {
    aws.fault = denied
    const { error } = await fail(await promoted())
    expect(error).toMatchObject({ code: 'forbidden' })
    expect(error?.message).toContain(
      `allow events:PutEvents on arn:aws:events:${REGION}:*:event-bus/default`,
    )
  })

  it('a bus that takes the request and not the event fails as well', async () => {
    aws.fault = () => ({
      status: 200,
      body: { FailedEntryCount: 1, Entries: [{ ErrorCode: 'InternalFailure' }] },
    })
    const { error } = await fail(await promoted())
    expect(error?.message).toContain('cannot put an event of espalier.registry: InternalFailure')
  })

  it('a bus that asks to slow down is asked again', async () => {
    let left = 1
    aws.fault = () => (left-- > 0 ? refusal('ThrottlingException', 'Rate exceeded') : null)
    await createTellChange({ logger: silentLogger })(await promoted())
    expect(aws.events).toHaveLength(1)
  })

  async function promoted() {
    await registry.promote(MODEL, 1)
    return writings()[0]
  }
})

describe('the bundle', () => {
  it('needs nothing beside it, and writes its log as JSON', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-events-'))
    try {
      const packages = await bundleEvents(folder)
      expect(packages.some((path) => path.endsWith('client-eventbridge'))).toBe(true)
      expect(existsSync(join(folder, 'THIRD_PARTY_LICENSES.txt'))).toBe(true)
      await registry.promote(MODEL, 1)
      const entry = pathToFileURL(join(folder, 'handler.mjs')).href
      const events = [writings()[0], created('registry/index.json', 'v1')]
      const script = `const { handler } = await import('${entry}')
for (const event of ${JSON.stringify(events)}) await handler(event).catch(() => {})`
      writeFileSync(join(folder, 'run.mjs'), script)
      const options = { cwd: folder, env: { PATH: process.env.PATH, ...environment() } }
      const { stdout } = await execute(process.execPath, ['run.mjs'], options)
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(lines[0]).toMatchObject({
        level: 'info',
        model: MODEL,
        action: 'promote',
        revision: 1,
      })
      expect(lines[1]).toMatchObject({ level: 'error', errorCode: 'invalid_request' })
      expect(aws.events.map(({ detail }) => detail.to)).toEqual([1])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
