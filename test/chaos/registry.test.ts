import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { layerRegistry } from '../../shared/registry/layered.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openMemoryStore } from '../../shared/registry/stores/memory/store.ts'
import { openS3Store } from '../../shared/registry/stores/s3/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { type FakeS3, type Fault, holdBack, refuse, reset, startFakeS3 } from '../fakes/fake-s3.ts'
import { createTestHead, publishHead } from '../fakes/heads.ts'
import { HEALTHY, type Observer, observe, type Question } from './observe.ts'

const OTHERS: Question[] = [
  ['/embed', { inputs: ['the cat', 'a mat'] }],
  ['/classify', { inputs: 'a text', model: 'assistant' }],
  ['/classify', { inputs: 'a text', model: 'assistant@v1' }],
]
/** Built in, and not asked for before the registry breaks. */
const BUILTIN: Question[] = [['/classify', { inputs: 'a text', model: 'intent' }]]
const PEER = { incoming: { socket: { remoteAddress: '127.0.0.1' } } }
let s3: FakeS3
let registry: Registry
let deps: ApiTestDeps
let nowMs: number
let seen: Observer

beforeEach(async () => {
  nowMs = 1_000_000
  s3 = await startFakeS3()
  registry = openRegistry(await openS3Store(s3.url('models'), s3.options))
  await publishHead(registry, 'assistant', createTestHead('own'))
  await serve()
})
afterEach(async () => {
  s3.befall(null)
  await deps.close()
  await registry.close()
  await s3.close()
})

async function serve(): Promise<void> {
  const builtin = openRegistry(openMemoryStore(), { origin: 'builtin' })
  await publishHead(builtin, 'intent', createTestHead('built'))
  deps = await createApiDeps({
    registry: layerRegistry(registry, builtin),
    env: { ESPALIER_POLL_SECONDS: '1' },
    monotonicMs: () => nowMs,
  })
  const app = createApp(deps)
  seen = observe((path, init) => app.request(path, init, PEER))
}

const up = () => seen.metric('espalier_registry_up')

const FAULTS: Record<string, Fault> = {
  'answers 503': refuse(503, 'SlowDown'),
  'answers 500 with a page': ({ send }) => send({ status: 500, body: Buffer.from('<html>') }),
  'denies everything': refuse(403, 'AccessDenied'),
  'resets connections': reset,
}

describe('a registry on S3 that', () => {
  it.each(Object.keys(FAULTS))('%s: what is loaded and what is built in answers', async (what) => {
    const quiet = await seen.askAll(OTHERS)
    s3.befall(FAULTS[what]!)
    nowMs += 2_000
    const [builtin] = await seen.askAll(BUILTIN)
    expect(builtin).toContain('"model":"intent@v1"')
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    await deps.classifiers.refresh()
    expect(await seen.health()).toEqual({ ...HEALTHY, registry: 'away' })
    expect(await up()).toBe(0)
    expect(await seen.askAll([...OTHERS, ...BUILTIN])).toEqual([...quiet, builtin])
    s3.befall(null)
    nowMs += 2_000
    await deps.classifiers.refresh()
    expect(await seen.health()).toEqual(HEALTHY)
    expect(await up()).toBe(1)
    await publishHead(registry, 'assistant', createTestHead('second'))
    await seen.refresh()
    expect(await seen.askAll(BUILTIN)).toEqual([builtin])
    expect((await seen.askAll(OTHERS))[1]).toContain('"model":"assistant@v2"')
  })

  it('hangs: what is loaded and what is built in answers', async () => {
    const quiet = await seen.askAll(OTHERS)
    const { fault, letGo } = holdBack()
    s3.befall(fault)
    nowMs += 2_000
    const looking = deps.classifiers.refresh()
    const [builtin] = await seen.askAll(BUILTIN)
    expect(builtin).toContain('"model":"intent@v1"')
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    expect(await seen.health()).toMatchObject({ ready: 200, live: 200, degraded: [] })
    s3.befall(null)
    letGo()
    expect((await looking).failure).toBeNull()
    expect(await seen.health()).toEqual(HEALTHY)
    expect(await seen.askAll([...OTHERS, ...BUILTIN])).toEqual([...quiet, builtin])
  })

  it('denies one model: it alone is told of, until it may be read', async () => {
    await publishHead(registry, 'evil', createTestHead('evil'))
    await seen.refresh()
    const quiet = await seen.askAll(OTHERS)
    s3.befall((exchange) => {
      const isEvil = exchange.request.key.startsWith('models/models/evil/')
      return isEvil ? refuse(403, 'AccessDenied')(exchange) : exchange.send(exchange.perform())
    })
    await deps.close()
    await serve()
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    expect(await seen.health()).toEqual({ ...HEALTHY, degraded: ['evil'] })
    expect(await seen.metric('espalier_models_degraded')).toBe(1)
    s3.befall(null)
    nowMs += 400_000
    await seen.refresh()
    expect(await seen.health()).toEqual(HEALTHY)
    expect((await seen.ask('/classify', { inputs: 'a', model: 'evil' })).status).toBe(200)
  })
})
