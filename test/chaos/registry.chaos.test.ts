import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openS3Store } from '../../shared/registry/stores/s3/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type FakeS3, type Fault, hang, refuse, reset, startFakeS3 } from '../fakes/fake-s3.ts'
import { publishHead } from '../fakes/heads.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { measure, note, OTHERS, startChaosServer, wordsHead } from './chaos-process.ts'
import { HEALTHY, type Question } from './observe.ts'

/** Built in, with an encoder of its own. */
const BUILTIN: Question = ['/classify', { inputs: 'where is my parcel', model: 'intent' }]
const FAULTS: Record<string, Fault> = {
  hangs: hang,
  'answers 503': refuse(503, 'SlowDown'),
  'denies everything': refuse(403, 'AccessDenied'),
  'resets connections': reset,
}
const PROBE_MS = 50
let folder: string
let s3: FakeS3
let registry: Registry

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-chaos-s3-'))
  s3 = await startFakeS3()
  registry = openRegistry(await openS3Store(s3.url('models'), s3.options))
  await publishTinyEncoder(registry, 'words')
  await publishHead(registry, 'assistant', wordsHead('own'))
})
afterAll(async () => {
  await registry.close()
  await s3.close()
  await rm(folder, { recursive: true, force: true })
})

const settings = () => ({
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_CONFIG_FILE: join(folder, 'none'),
  AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
  ESPALIER_REGISTRY: s3.url('models'),
  // Shared by the servers: the export of the built-in encoder takes a while.
  ESPALIER_CACHE: join(folder, 'cache'),
  ESPALIER_ENCODER: 'words',
  ESPALIER_PRECISION: 'float32',
  ESPALIER_POLL_SECONDS: '0.2',
  ESPALIER_LOG_LEVEL: 'info',
  ESPALIER_ADMIN_LOCAL: '1',
})

it('built-in models are exported once, before anything breaks', async () => {
  const server = await startChaosServer(settings())
  expect((await server.ask(...BUILTIN)).status).toBe(200)
})

it.each(Object.keys(FAULTS))('%s: what is loaded and what is built in answers', async (what) => {
  const server = await startChaosServer(settings())
  s3.befall(FAULTS[what]!)
  try {
    const begun = performance.now()
    // Not asked for before: its head and its encoder are opened while the registry is away.
    const builtin = await server.ask(...BUILTIN)
    const firstBuiltinSeconds = (performance.now() - begun) / 1000
    expect(builtin.status).toBe(200)
    const beside = await measure(100, async () => {
      expect(await server.askAll(OTHERS)).toEqual(server.quiet)
    })
    const again = await measure(20, async () =>
      expect(await server.ask(...BUILTIN)).toEqual(builtin),
    )
    const probes = await measure(100, () => server.ask('/readyz'))
    const noticed = await server.waitFor({ ...HEALTHY, registry: 'away' })
    expect(await server.metric('espalier_registry_up')).toBe(0)
    expect(await server.askAll(OTHERS)).toEqual(server.quiet)
    s3.befall(null)
    const mended = await server.waitFor(HEALTHY)
    expect(await server.askAll(OTHERS)).toEqual(server.quiet)
    expect(await server.ask(...BUILTIN)).toEqual(builtin)
    note(what, { firstBuiltinSeconds, beside, again, probes, noticed, mended })
    expect(firstBuiltinSeconds).toBeLessThan(10)
    expect(probes.medianMs).toBeLessThan(PROBE_MS)
    expect(mended).toBeLessThan(30)
  } finally {
    s3.befall(null)
  }
})
