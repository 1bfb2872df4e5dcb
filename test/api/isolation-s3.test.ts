import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { healthSchema } from '../../shared/contract/health.ts'
import { blobKey, stateKey, versionKey } from '../../shared/registry/records/names.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openS3Store } from '../../shared/registry/stores/s3/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { listModels } from '../../shared/versions/list-models.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { writeEmptyBuiltins } from '../fakes/empty-builtins.ts'
import { type FakeS3, hang, startFakeS3 } from '../fakes/fake-s3.ts'
import { createTestHead, publishHead } from '../fakes/heads.ts'
import { postJson } from '../fakes/post-json.ts'
import { useScratch } from '../unit/registry/scratch.ts'

const scratch = useScratch()
const OTHERS = ['assistant', 'assistant@v1']
let server: FakeS3
let registry: Registry
let deps: ApiTestDeps
let app: ApiApp
let nowMs: number

beforeEach(async () => {
  server = await startFakeS3()
  registry = openRegistry(await openS3Store(server.url('models'), server.options))
  await publishHead(registry, 'assistant', createTestHead('own'))
  await publishHead(registry, 'evil', createTestHead('evil'))
})
afterEach(async () => {
  await deps.close()
  await registry.close()
  await server.close()
})

async function serve(): Promise<void> {
  nowMs = 1_000_000
  const env = { ESPALIER_POLL_SECONDS: '1' }
  deps = await createApiDeps({ registry, env, monotonicMs: () => nowMs })
  app = createApp(deps)
}

async function ask(model: string): Promise<{ status: number; text: string }> {
  const response = await postJson(app, '/classify', { model, inputs: 'a text' })
  return { status: response.status, text: await response.text() }
}

const askOthers = () => Promise.all(OTHERS.map(ask))

async function health(): Promise<{ registry: string; degraded: string[] }> {
  const { registry: up = '', degraded = [] } = healthSchema.parse(
    await (await app.request('/readyz')).json(),
  )
  return { registry: up, degraded }
}

async function lookLater(): Promise<void> {
  nowMs += 60_000
  await askOthers()
}

describe('access to one object of S3 that is denied', () => {
  it.each([
    ['the state', async () => stateKey('evil'), 'evil'],
    ['the manifest', async () => versionKey('evil', 1), 'evil'],
    [
      'the weights',
      async () => blobKey((await registry.getVersion('evil', 1)).files[0]!.sha256),
      'evil@v1',
    ],
  ])('%s: is the fault of that model alone', async (_, keyOf, named) => {
    const key = `models/${await keyOf()}`
    server.bucket.denied.add(key)
    await serve()
    const others = await askOthers()
    expect(others.map(({ status }) => status)).toEqual([200, 200])
    const evil = await ask('evil')
    expect(evil.status).toBe(503)
    expect(evil.text).toContain('"object_unreadable"')
    expect(evil.text).toContain(`s3:GetObject on arn:aws:s3:::fake-bucket/${key}`)
    expect(await health()).toEqual({ registry: 'up', degraded: [named] })
    const metrics = await (await app.request('/metrics')).text()
    expect(metrics).toMatch(/^espalier_models_degraded 1$/m)
    expect(metrics).toMatch(/^espalier_registry_up 1$/m)
    const { damages } = await registry.verify()
    expect(damages.length).toBeGreaterThan(0)
    for (const { what } of damages) expect(what).toContain('evil')
    if (named === 'evil') {
      const builtinFolder = await writeEmptyBuiltins(await scratch())
      const listed = await listModels({ builtinFolder }, registry)
      expect(listed.map(({ name, broken }) => [name, broken !== null])).toEqual([
        ['assistant', false],
        ['evil', true],
      ])
    }
    server.bucket.denied.clear()
    await lookLater()
    await lookLater()
    expect(await health()).toEqual({ registry: 'up', degraded: [] })
    expect(await ask('evil')).toMatchObject({ status: 200 })
    expect(await askOthers()).toEqual(others)
  })

  it("is nobody's fault for the hint of changes: everything is read instead", async () => {
    server.bucket.denied.add('models/index.json')
    await serve()
    const others = await askOthers()
    expect(others.map(({ status }) => status)).toEqual([200, 200])
    await publishHead(registry, 'evil', createTestHead('next')).catch(() => {})
    await lookLater()
    expect((await ask('evil')).text).toContain('next')
    expect(await health()).toEqual({ registry: 'up', degraded: [] })
  })

  it('is the fault of the registry where the bucket may not be listed either', async () => {
    await serve()
    const others = await askOthers()
    server.bucket.denied.add('').add('models/index.json')
    await lookLater()
    expect(await health()).toEqual({ registry: 'away', degraded: [] })
    expect(await askOthers()).toEqual(others)
    server.bucket.denied.clear()
    await lookLater()
    expect(await health()).toEqual({ registry: 'up', degraded: [] })
  })
})

it('is closed at once while S3 hangs, with all that waits for it', async () => {
  await serve()
  const others = await askOthers()
  server.script(...Array(50).fill(hang))
  nowMs += 60_000
  const looking = deps.classifiers.refresh()
  await deps.close()
  expect(await looking).toMatchObject({ failure: { code: 'shutting_down' } })
  expect(others.map(({ status }) => status)).toEqual([200, 200])
})
