import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { healthSchema } from '../../shared/contract/health.ts'
import { encodeHead } from '../../shared/head/encode.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import { layerRegistry } from '../../shared/registry/layered.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import { openMemoryStore } from '../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { listModels } from '../../shared/versions/list-models.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { writeEmptyBuiltins } from '../fakes/empty-builtins.ts'
import { createTestHead, publishHead } from '../fakes/heads.ts'
import { interceptStore } from '../fakes/intercepted-store.ts'
import { withoutRoot } from '../fakes/nobody.ts'
import { postJson } from '../fakes/post-json.ts'
import { useScratch } from '../unit/registry/scratch.ts'

const scratch = useScratch()
const GC = { olderThanMs: 30 * 86_400_000 }
let folder: string
let registry: Registry
let deps: ApiTestDeps | null = null
let app: ApiApp
let nowMs: number
let quiet: string[]

beforeEach(async () => {
  folder = await scratch()
  nowMs = 1_000_000
  const builtin = openRegistry(openMemoryStore(), { origin: 'builtin' })
  await publishHead(builtin, 'intent', createTestHead('built'))
  registry = layerRegistry(openRegistry(openDirectoryStore(folder)), builtin)
  await publishHead(registry, 'assistant', createTestHead('own'))
  await serve()
  quiet = await askOthers()
  await stop()
  await publishHead(registry, 'evil', createTestHead('evil'))
})
afterEach(stop)

async function serve(): Promise<void> {
  const env = { ESPALIER_POLL_SECONDS: '1' }
  deps = await createApiDeps({ registry, env, monotonicMs: () => nowMs })
  app = createApp(deps)
}

async function stop(): Promise<void> {
  await deps?.close()
  deps = null
}

async function ask(model: string): Promise<{ status: number; text: string }> {
  const response = await postJson(app, '/classify', { model, inputs: 'a text' })
  return { status: response.status, text: await response.text() }
}

async function askOthers(): Promise<string[]> {
  const answers = [await ask('assistant'), await ask('intent'), await ask('assistant@v1')]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  return answers.map(({ text }) => text)
}

async function health(): Promise<{ status: number; registry: string; degraded: string[] }> {
  const response = await app.request('/readyz')
  const { registry = '', degraded = [] } = healthSchema.parse(await response.json())
  return { status: response.status, registry, degraded }
}

async function countDegraded(): Promise<string | undefined> {
  const text = await (await app.request('/metrics')).text()
  return /^espalier_models_degraded (\d+)$/m.exec(text)?.[1]
}

async function refresh(): Promise<string> {
  const env = { incoming: { socket: { remoteAddress: '127.0.0.1' } } }
  const response = await app.request('/admin/refresh', { method: 'POST' }, env)
  expect(response.status).toBe(200)
  return response.text()
}

/** A look after a time in which everything that waits is due; requests look. */
async function lookLater(ms: number): Promise<void> {
  nowMs += ms
  await askOthers()
}

const STATE = 'models/evil/state.json'
const MANIFEST = 'models/evil/versions/1.json'

/** Puts something in place of a file and returns what puts it back. */
async function replace(key: string, put: (path: string) => Promise<unknown>) {
  const path = join(folder, key)
  await rename(path, `${path}~`)
  await put(path)
  return async () => {
    await rm(path, { recursive: true, force: true })
    await rename(`${path}~`, path)
  }
}

const loop = (path: string) => symlink(path, path)

const FAULTS: Record<string, () => Promise<() => Promise<void>>> = {
  'a state that is a link to itself': () => replace(STATE, loop),
  'a state that is a folder': () => replace(STATE, (path) => mkdir(path)),
  'a state that is a link to something else': () =>
    replace(STATE, (path) => symlink('/etc/hostname', path)),
  'a state that is a link to nothing': () => replace(STATE, (path) => symlink('nothing', path)),
  'a state of a newer schema': () => replace(STATE, (path) => writeFile(path, '{"schema":9}')),
  'a state of wrong bytes': () => replace(STATE, (path) => writeFile(path, Buffer.of(0, 255, 3))),
  'a manifest that is a link to itself': () => replace(MANIFEST, loop),
  'a manifest that is a folder': () => replace(MANIFEST, (path) => mkdir(path)),
  'a manifest that is a link to nothing': () =>
    replace(MANIFEST, (path) => symlink('nothing', path)),
  'a manifest of a newer schema': () =>
    replace(MANIFEST, (path) => writeFile(path, '{"schema":9,"files":[]}')),
  'a manifest of wrong bytes': () => replace(MANIFEST, (path) => writeFile(path, '{"schema":1')),
  'a model whose folder is a link to itself': () => replace('models/evil', loop),
  'a state that may not be read': () => forbid(STATE, 0o644),
  'a manifest that may not be read': () => forbid(MANIFEST, 0o644),
  'a folder that may not be looked into': () => forbid('models/evil', 0o755),
}

/** Keeps a file or folder from everybody and returns what puts its mode back. */
async function forbid(key: string, mode: number) {
  const path = join(folder, key)
  await chmod(path, 0)
  return () => chmod(path, mode)
}

describe('one model that cannot be read', () => {
  it.each(Object.keys(FAULTS))('%s is the fault of that model alone', (name) =>
    withoutRoot(folder, () => checkIsolation(name)),
  )

  async function checkIsolation(name: string): Promise<void> {
    const mend = await FAULTS[name]!()
    try {
      await serve()
      expect(await askOthers()).toEqual(quiet)
      expect(await health()).toEqual({ status: 200, registry: 'up', degraded: ['evil'] })
      expect(await countDegraded()).toBe('1')
      expect(await ask('evil')).toMatchObject({ status: 503 })
      expect((await ask('evil')).text).toContain('"object_unreadable"')
      const listed = await listModels(
        { builtinFolder: await writeEmptyBuiltins(await scratch()) },
        registry,
      )
      expect(listed.map(({ name }) => name)).toEqual(['assistant', 'evil', 'intent'])
      expect(listed[1]).toMatchObject({ broken: expect.stringContaining('evil') })
      expect(listed[0]).toMatchObject({ broken: null })
      const { damages } = await registry.verify()
      expect(damages.length).toBeGreaterThan(0)
      for (const { what } of damages) expect(what).toContain('evil')
      expect((await registry.collectGarbage(GC)).garbage.blobs).toBe(0)
      expect(JSON.parse(await refresh()).changes).toContainEqual(
        expect.objectContaining({ model: 'evil', change: 'refused' }),
      )
    } finally {
      await mend()
    }
    // By the look of a request, once its wait is over; nothing was published or promoted.
    await lookLater(60_000)
    await lookLater(60_000)
    expect(await health()).toMatchObject({ registry: 'up', degraded: [] })
    expect(await ask('evil')).toMatchObject({ status: 200 })
    expect(await askOthers()).toEqual(quiet)
  }

  it.each(['assistant..bak', 'a'.repeat(64), 'b'.repeat(66)])(
    'a folder named %s is no reason to refuse others',
    async (name) => {
      const stray = join(folder, 'models', name)
      await mkdir(join(stray, 'versions'), { recursive: true })
      await writeFile(join(stray, 'versions', '1.json'), '{}')
      await serve()
      expect(await askOthers()).toEqual(quiet)
      expect(await health()).toMatchObject({ registry: 'up', degraded: [name] })
      const listed = await listModels(
        { builtinFolder: await writeEmptyBuiltins(await scratch()) },
        registry,
      )
      expect(listed.find((each) => each.name === name)?.broken).toContain('is not a model name')
      expect((await registry.verify()).damages).toMatchObject([{ what: name }])
      expect(await registry.collectGarbage(GC)).toMatchObject({ garbage: { blobs: 0 } })
      await registry.rebuildIndex()
      await rm(stray, { recursive: true })
      await refresh()
      expect(await health()).toMatchObject({ degraded: [] })
    },
  )

  it('keeps the versions that are read serving, and a model that was served', async () => {
    await serve()
    const [before] = [await ask('evil')]
    expect(before.status).toBe(200)
    const mend = await replace(STATE, loop)
    await refresh()
    expect(await ask('evil')).toEqual(before)
    expect(await health()).toMatchObject({ degraded: ['evil'] })
    await mend()
    await publishHead(registry, 'evil', createTestHead('second'))
    await replace('models/evil/versions/2.json', loop)
    await refresh()
    expect(await ask('evil')).toEqual(before)
    expect((await health()).degraded).toEqual(['evil', 'evil@v2'])
  })
})

describe('a version whose file is damaged', () => {
  /** The file of the newest version of `evil`. */
  async function blobOf(version: number): Promise<string> {
    const text = await readFile(join(folder, `models/evil/versions/${version}.json`), 'utf8')
    return join(folder, 'blobs/sha256', JSON.parse(text).files[0].sha256)
  }

  it('is taken as soon as its bytes change, without another promotion', async () => {
    await serve()
    const before = await ask('evil')
    const head = createTestHead('second')
    await publishHead(registry, 'evil', head)
    const blob = await blobOf(2)
    await writeFile(blob, 'damaged on the way')
    await refresh()
    expect(await ask('evil')).toEqual(before)
    expect((await health()).degraded).toEqual(['evil@v2'])
    expect(await askOthers()).toEqual(quiet)
    await lookLater(1_100)
    expect((await health()).degraded).toEqual(['evil@v2'])
    await writeFile(blob, encodeHead(head))
    await lookLater(1_100)
    expect((await ask('evil')).text).toContain('second')
    expect((await health()).degraded).toEqual([])
    expect(deps!.classifiers.stats().refused).toBe(1)
  })

  it('is tried again when somebody says so', async () => {
    await serve()
    await ask('evil')
    await publishHead(registry, 'evil', createTestHead('second'))
    const mend = await replace(`blobs/sha256/${(await blobOf(2)).split('/').at(-1)}`, loop)
    await refresh()
    expect((await health()).degraded).toEqual(['evil@v2'])
    await mend()
    expect(JSON.parse(await refresh()).changes).toContainEqual({
      model: 'evil',
      change: 'alias',
      alias: 'champion',
      from: 1,
      to: 2,
    })
  })

  it('is named once a request found it, and not any more when it is put right', async () => {
    const blob = await blobOf(1)
    const body = await readFile(blob)
    await writeFile(blob, 'damaged')
    await serve()
    expect(await ask('evil')).toMatchObject({ status: 500 })
    expect((await health()).degraded).toEqual(['evil@v1'])
    expect(await askOthers()).toEqual(quiet)
    await writeFile(blob, body)
    await lookLater(1_100)
    expect((await health()).degraded).toEqual([])
    expect(await ask('evil')).toMatchObject({ status: 200 })
  })
})

describe('a registry that does not answer', () => {
  const away = () => Promise.reject(new EspalierError('registry_unavailable', 'no answer'))
  // Whatever it is told by a signal.
  const hang = () => new Promise<never>(() => {})
  let answer: ((key: string) => Promise<unknown>) | null = null

  /** The same registry behind a store that answers as a test says. */
  async function serveBehind(): Promise<void> {
    const store = openDirectoryStore(folder)
    const behind = interceptStore(store, {
      async get(...given) {
        await answer?.(given[0])
        return store.get(...given)
      },
      async head(...given) {
        await answer?.(given[0])
        return store.head(...given)
      },
      async *list(...given) {
        await answer?.(given[0])
        yield* store.list(...given)
      },
    })
    registry = layerRegistry(openRegistry(behind), registry.builtin!)
    await serve()
  }
  afterEach(() => {
    answer = null
  })

  it.each([
    ['fails', away],
    ['hangs', hang],
  ])('%s, and keeps nobody from built-in models that nobody asked for before', async (_, how) => {
    await serveBehind()
    const [own, numbered] = [await ask('assistant'), await ask('assistant@v1')]
    answer = how
    expect((await ask('intent')).text).toBe(quiet[1])
    expect(await ask('assistant')).toEqual(own)
    expect(await ask('assistant@v1')).toEqual(numbered)
    // The look of this one is due, and goes on beside it.
    nowMs += 1_100
    const before = performance.now()
    expect((await ask('intent')).text).toBe(quiet[1])
    expect(performance.now() - before).toBeLessThan(1_000)
    if (how === hang) return
    await lookLater(1_100)
    expect(await health()).toEqual({ status: 200, registry: 'away', degraded: [] })
    answer = null
    await refresh()
    expect(await health()).toMatchObject({ registry: 'up' })
  })

  it.each([
    ['the hint of changes', 'index.json'],
    ['a listing', 'models/'],
  ])(
    'was never read, as %s hangs: built-in models answer, and it is closed at once',
    async (_, part) => {
      // A start looks at the hint once by itself.
      let asked = part === 'index.json' ? -1 : 0
      answer = async (key) => (key === part && asked++ >= 0 ? hang() : undefined)
      await serveBehind()
      // What hangs at the start is waited for a little, as a model of the user's may lie over a built-in one.
      nowMs += 2_000
      for (let i = 0; i < 2; i++) {
        expect((await ask('intent')).text).toBe(quiet[1])
        nowMs += 1_100
      }
      const others = [ask('assistant'), ask('nobody')]
      const refreshing = deps!.classifiers.refresh()
      await stop()
      for (const { status, text } of await Promise.all(others)) {
        expect(status).toBe(503)
        expect(text).toContain('"shutting_down"')
      }
      expect(await refreshing).toMatchObject({ failure: { code: 'shutting_down' } })
    },
  )

  it('was never read, as it fails: built-in models answer, others are told why', async () => {
    answer = async (key) => (key === 'models/' ? away() : undefined)
    await serveBehind()
    expect((await ask('intent')).text).toBe(quiet[1])
    expect(await ask('assistant')).toMatchObject({ status: 503 })
    answer = null
    nowMs += 1_100
    expect((await ask('assistant')).text).toBe(quiet[0])
  })
})
