import { mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import { bundledCli } from '../cli-bundle.ts'
import { createTestHead, publishHead } from '../fakes/heads.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { type ServerProcess, startedServer, startServer } from './server-process.ts'

const bundle = bundledCli()
const head = (prefix: string) => createTestHead(prefix, { family: 'f'.repeat(64) })
let folder: string
let server: ServerProcess | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-away-'))
})
afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

const readJson = async (path: string) => (await fetch(`${server!.url}${path}`)).json()

async function ask(): Promise<string> {
  const response = await fetch(`${server!.url}/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'intent', inputs: 'the cat' }),
  })
  const { data } = (await response.json()) as { data: { predictions: { model: string }[] }[] }
  return data[0]!.predictions[0]!.model
}

it('a server starts without its registry where that is allowed, and takes it up again', async () => {
  const place = join(folder, 'registry')
  const registry = openRegistry(openDirectoryStore(place))
  await publishTinyEncoder(registry, 'words')
  await publishHead(registry, 'intent', head('first'))
  const env = {
    ESPALIER_REGISTRY: `file:${place}`,
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_ENCODER: 'words',
    ESPALIER_PRECISION: 'float32',
    ESPALIER_POLL_SECONDS: '0.2',
    ESPALIER_LOG_LEVEL: 'warn',
  }
  server = await startedServer(bundle.script, env, ['--offline-ok'])
  expect(await ask()).toBe('intent@v1')
  expect(await server.stop()).toBe(0)

  // A link that leads to itself: every access fails, as with a share that is not mounted.
  await rename(place, `${place}-away`)
  await symlink(place, place)
  const failed = await startServer(bundle.script, { ...env, ESPALIER_LOG_LEVEL: 'error' })
  expect(failed).toEqual({
    code: 1,
    stderr: expect.stringMatching(/^espalier: .*ELOOP.*--offline-ok.*\n$/),
  })
  server = await startedServer(bundle.script, { ...env, ESPALIER_OFFLINE_OK: '1' })
  expect(await ask()).toBe('intent@v1')
  const offline = { status: 'ok', encoder: 'words@v1', registry: 'offline' }
  expect(await readJson('/readyz')).toMatchObject(offline)

  await rm(place)
  await rename(`${place}-away`, place)
  await publishHead(registry, 'intent', head('second'))
  await expect.poll(ask, { timeout: 30_000 }).toBe('intent@v2')
  expect(await readJson('/readyz')).toMatchObject({ registry: 'up' })

  await rename(place, `${place}-away`)
  await symlink(place, place)
  await expect
    .poll(() => readJson('/readyz'), { timeout: 30_000 })
    .toMatchObject({
      registry: 'away',
    })
  expect(await ask()).toBe('intent@v2')
  await rm(place)
  await rename(`${place}-away`, place)
  await expect
    .poll(() => readJson('/readyz'), { timeout: 30_000 })
    .toMatchObject({
      registry: 'up',
    })
  const told = server.logged().map(({ msg }) => msg)
  expect(told).toEqual([
    'started without the registry: serving what the cache has',
    'the registry does not answer; serving on',
    'the registry does not answer; serving on',
  ])
  expect(await server.stop()).toBe(0)
})
