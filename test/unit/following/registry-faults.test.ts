import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RegistryFollower } from '../../../shared/following/registry-follower.ts'
import type { RegistryMemory } from '../../../shared/following/registry-memory.ts'
import { openRegistryMemory } from '../../../shared/following/registry-memory.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import { cacheReader } from '../../../shared/registry/cached-reader.ts'
import { KnownModels } from '../../../shared/registry/known-models.ts'
import { blobKey, stateKey, versionKey } from '../../../shared/registry/records/names.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import {
  createFakeSources,
  type FakeSources,
  publishFakeEncoder,
} from '../../fakes/fake-sources.ts'
import { createTestHead, publishHead } from '../../fakes/heads.ts'
import { interceptStore } from '../../fakes/intercepted-store.ts'
import { type LiveApp, openLiveApp } from '../../fakes/live-app.ts'
import { postJson } from '../../fakes/post-json.ts'
import { useScratch } from '../registry/scratch.ts'

const scratch = useScratch()
/** What the world does to the store of the server; the publisher's is never touched. */
let away: boolean
let damage: Partial<BlobStore>
let store: BlobStore
let publisher: Registry
let cache: string
let served: LiveApp | undefined

beforeEach(async () => {
  away = false
  damage = {}
  store = openMemoryStore()
  publisher = openRegistry(store)
  cache = await scratch()
  served = undefined
})
afterEach(() => served?.live.close())

/** The store as the server sees it: it may be away, and any operation may be replaced. */
function faultyStore(): BlobStore {
  return new Proxy(store, {
    get(target, key: keyof BlobStore) {
      const value = damage[key] ?? target[key]
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (!away) return Reflect.apply(value, target, args)
        const error = new EspalierError('registry_unavailable', 'connection refused')
        if (key === 'close') return Promise.resolve()
        // A listing fails where it is read.
        if (key !== 'list') return Promise.reject(error)
        return {
          [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
        }
      }
    },
  })
}

interface ServeOptions {
  readonly encoder?: string
  readonly offlineOk?: boolean
  readonly cached?: boolean
  readonly sources?: FakeSources
}

async function serve({
  encoder = 'shipped',
  offlineOk = false,
  cached = true,
  sources = createFakeSources({ local: { shipped: {} } }),
}: ServeOptions = {}): Promise<LiveApp> {
  await served?.live.close()
  const url = 'memory:'
  const user = openRegistry(faultyStore())
  const known = new KnownModels(url, cache)
  const options = { folder: cache, known, offlineOk, logger: silentLogger }
  const registry = cached ? { ...user, ...cacheReader(user, options) } : user
  const memory: RegistryMemory = openRegistryMemory(url, cache, join(cache, 'no-builtin-heads'))
  const env = { ESPALIER_OFFLINE_OK: offlineOk ? '1' : '0' }
  served = await openLiveApp({ encoder, registry, sources, memory, env })
  return served
}

const refresh = () => served!.live.classifiers.refresh()

async function ask(model: string): Promise<string> {
  const response = await postJson(served!.app, '/classify', { inputs: 'hi', model })
  const body = JSON.parse(await response.text())
  if (!response.ok) return `${response.status} ${body.error.code}`
  const { model: version, label } = body.data[0].predictions[0]
  return `${version}:${label.slice(0, -1)}`
}

const ready = async () => (await served!.app.request('/readyz')).json()
async function metric(name: string): Promise<number> {
  const text = await (await served!.app.request('/metrics')).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}
const logged = (level: string) =>
  served!.log.lines.filter((line) => line.level === level).map(({ message }) => message)

describe('a registry that cannot be reached at the start', () => {
  it('ends the start with what to do', async () => {
    away = true
    await expect(serve()).rejects.toMatchObject({
      code: 'registry_unavailable',
      message: expect.stringMatching(/connection refused; offline-ok \(ESPALIER_OFFLINE_OK=1\)/),
    })
  })

  it('is replaced by the cache where that is allowed, and taken up when it answers', async () => {
    await publishHead(publisher, 'intent', createTestHead('first'))
    await publishHead(publisher, 'topic', createTestHead('unread'))
    await serve({ offlineOk: true })
    await refresh()
    expect(await ask('intent')).toBe('intent@v1:first')
    expect(await ready()).toMatchObject({ registry: 'up' })

    away = true
    await serve({ offlineOk: true })
    expect(await ask('intent')).toBe('intent@v1:first')
    expect(await ask('topic')).toBe('503 registry_unavailable')
    expect(await ask('nobody')).toBe('404 model_not_found')
    expect(await ready()).toMatchObject({
      status: 'ok',
      encoder: 'shipped@v1',
      modality: 'text',
      registry: 'offline',
    })
    expect(await metric('espalier_registry_up')).toBe(0)
    expect(await metric('espalier_registry_offline')).toBe(1)
    expect(logged('warn')[0]).toMatch(/^started without the registry/)
    const list = await (await served!.app.request('/v1/models')).text()
    expect(list).toContain('"id":"topic"')

    await publishHead(publisher, 'intent', createTestHead('second'))
    away = false
    await refresh()
    expect(await ask('intent')).toBe('intent@v2:second')
    expect(await ask('topic')).toBe('topic@v1:unread')
    expect(await ready()).toMatchObject({ registry: 'up' })
    expect(await metric('espalier_registry_up')).toBe(1)
    expect(await metric('espalier_registry_offline')).toBe(0)
  })

  it('is replaced for encoders as well', async () => {
    await publishFakeEncoder(publisher, 'words')
    await publishFakeEncoder(publisher, 'words', { alias: null })
    await serve({ encoder: 'words', offlineOk: true })
    await refresh()
    away = true
    await serve({ encoder: 'words', offlineOk: true })
    expect(await ready()).toMatchObject({ encoder: 'words@v1', registry: 'offline' })
    away = false
    await publisher.promote('words', 2)
    await refresh()
    expect(await ready()).toMatchObject({ encoder: 'words@v2', registry: 'up' })
  })

  it('leaves what ships with the product where the cache has nothing, or nothing sound', async () => {
    away = true
    await serve({ offlineOk: true })
    expect(await ready()).toMatchObject({ encoder: 'shipped@v1', registry: 'offline' })
    expect(await ask('intent')).toBe('404 model_not_found')
    away = false
    await publishHead(publisher, 'intent', createTestHead('first'))
    await serve({ offlineOk: true })
    await refresh()
    const [place] = await readdir(join(cache, 'known'))
    for (const junk of ['', '{"schema":9}', '{"schema":1,"models":[{"name":"../x"}]}']) {
      await writeFile(join(cache, 'known', place!, 'models.json'), junk)
      away = true
      await serve({ offlineOk: true })
      expect(await ask('intent')).toBe('404 model_not_found')
    }
  })
})

describe('a registry that goes away later', () => {
  it('costs one line in the log, and is followed again when it is back', async () => {
    await publishHead(publisher, 'intent', createTestHead('first'))
    await serve()
    await refresh()
    expect(await ask('intent')).toBe('intent@v1:first')
    away = true
    for (let i = 0; i < 5; i++) await refresh()
    expect(await ask('intent')).toBe('intent@v1:first')
    expect(await ready()).toMatchObject({ status: 'ok', registry: 'away' })
    expect(await metric('espalier_registry_up')).toBe(0)
    expect(logged('warn')).toEqual(['the registry does not answer; serving on'])
    await publishHead(publisher, 'intent', createTestHead('second'))
    away = false
    await refresh()
    expect(await ask('intent')).toBe('intent@v2:second')
    expect(await metric('espalier_registry_up')).toBe(1)
    expect(logged('info')).toContain('the registry answers again')
  })

  it('hangs while the next default encoder is looked at: the server is closed at once', async () => {
    await publishFakeEncoder(publisher, 'words')
    await serve({ encoder: 'words' })
    await refresh()
    await publishFakeEncoder(publisher, 'words')
    const refreshing = await new Promise<{ result: ReturnType<typeof refresh> }>((resolve) => {
      damage.head = () => {
        resolve({ result })
        return new Promise(() => {})
      }
      const result = refresh()
    })
    await served!.live.close()
    // By chance of the order: the look ends before it is told, or by being told.
    const { failure } = await refreshing.result
    expect([undefined, 'shutting_down']).toContain((failure as EspalierError | null)?.code)
  })

  it('still gives what the cache has where memory has lost it', async () => {
    for (const name of ['a', 'b', 'c']) {
      await publishHead(publisher, name, createTestHead(name))
    }
    await serve()
    await refresh()
    for (const name of ['a', 'b']) expect(await ask(name)).toBe(`${name}@v1:${name}`)
    away = true
    expect(await ask('a')).toBe('a@v1:a')
    expect(await ask('c')).toBe('503 registry_unavailable')
  })
})

describe('what a store can get wrong', () => {
  beforeEach(async () => {
    await publishHead(publisher, 'intent', createTestHead('first'))
  })

  /** Serves v1, promotes v2, and lets the server look. */
  async function promoteSecond(bytes?: Uint8Array): Promise<void> {
    await serve()
    await refresh()
    expect(await ask('intent')).toBe('intent@v1:first')
    await publishHead(publisher, 'intent', createTestHead('second'), bytes ? { bytes } : {})
  }

  async function shaOf(version: number): Promise<string> {
    return (await publisher.getVersion('intent', version)).files[0]!.sha256
  }

  it.each([
    ['corrupted', (body: Uint8Array) => body.map((byte, i) => (i === 50 ? byte ^ 1 : byte))],
    ['truncated', (body: Uint8Array) => body.slice(0, -1)],
  ])('a %s blob is refused, and the old version serves on', async (_what, spoil) => {
    await promoteSecond()
    const key = blobKey(await shaOf(2))
    const found = await store.get(key, { maxBytes: 1e6 })
    if (found.status !== 'found') throw new Error('there is no blob')
    await store.put(key, spoil(found.body))
    for (let i = 0; i < 3; i++) await refresh()
    expect(await ask('intent')).toBe('intent@v1:first')
    expect(await metric('espalier_heads_refused_total')).toBe(1)
    expect(logged('error')).toEqual(['version refused; the old one keeps serving'])
    await store.put(key, found.body)
    await publishHead(publisher, 'intent', createTestHead('third'))
    await refresh()
    expect(await ask('intent')).toBe('intent@v3:third')
  })

  it('a missing blob is refused', async () => {
    await promoteSecond()
    await store.delete(blobKey(await shaOf(2)))
    await refresh()
    expect(await ask('intent')).toBe('intent@v1:first')
    expect(await ask('intent@v2')).toBe('500 artifact_corrupt')
  })

  it('a full disk holds back what is new in the cache, not what fits in memory', async () => {
    await promoteSecond()
    damage = {
      download: () =>
        Promise.reject(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })),
    }
    await refresh()
    expect(await ask('intent')).toBe('intent@v2:second')
    damage = {}
  })

  it('a full disk keeps the old encoder, says why once, and is recovered from', async () => {
    let full = true
    const onOpen = async (label: string) => {
      const message = 'cannot use the cache folder /cache: ENOSPC: no space left on device'
      if (full && label === 'words@v2') throw new EspalierError('registry_unavailable', message)
    }
    await publishFakeEncoder(publisher, 'words')
    await serve({ encoder: 'words', sources: createFakeSources({ onOpen }) })
    await publishFakeEncoder(publisher, 'words')
    for (let i = 0; i < 3; i++) await refresh()
    expect(await ready()).toMatchObject({ encoder: 'words@v1', registry: 'up' })
    const waits = served!.log.lines.filter(({ level }) => level === 'warn')
    expect(waits.map(({ fields }) => fields.reason)).toEqual([expect.stringContaining('ENOSPC')])
    full = false
    await refresh()
    expect(await ready()).toMatchObject({ encoder: 'words@v2' })
  })

  it('a version whose manifest is not written yet is invisible', async () => {
    const half = openRegistry(
      interceptStore(store, {
        putIfAbsent: () => Promise.reject(new Error('the publisher was killed')),
      }),
    )
    await serve()
    await refresh()
    await expect(publishHead(half, 'intent', createTestHead('half'))).rejects.toThrow('killed')
    await refresh()
    expect(await ask('intent')).toBe('intent@v1:first')
    expect(await ask('intent@v2')).toBe('404 version_not_found')
    await publishHead(publisher, 'intent', createTestHead('whole'))
    await refresh()
    expect(await ask('intent')).toBe('intent@v2:whole')
  })

  it('an alias to a version that is not there leaves the old one', async () => {
    await promoteSecond()
    await store.delete(versionKey('intent', 2))
    await refresh()
    expect(await ask('intent')).toBe('intent@v1:first')
    expect(logged('error')).toHaveLength(1)
  })

  it.each([
    ['manifest', 'intent@v2', () => versionKey('intent', 2)],
    ['state', 'intent', () => stateKey('intent')],
  ])('a %s of a newer schema is refused by its number', async (_what, model, keyOf) => {
    await publishHead(publisher, 'topic', createTestHead('topic'))
    await promoteSecond()
    const key = keyOf()
    const found = await store.get(key, { maxBytes: 1e6 })
    if (found.status !== 'found') throw new Error(`there is no ${key}`)
    const text = Buffer.from(found.body).toString().replace('"schema":1', '"schema":2')
    await store.put(key, Buffer.from(text))
    await publishHead(publisher, 'topic', createTestHead('other'))
    for (let i = 0; i < 2; i++) {
      const { changes, failure } = await refresh()
      expect(failure).toBeNull()
      expect(changes).toContainEqual({
        model,
        change: 'refused',
        reason: expect.stringMatching(
          /has schema 2; this version of Espalier reads up to 1: upgrade it/,
        ),
      })
    }
    expect(await ask('intent')).toBe('intent@v1:first')
    expect(await ask('topic')).toBe('topic@v2:other')
    // Of a manifest also that the version is refused.
    expect(logged('error')).toHaveLength(model === 'intent' ? 1 : 2)
  })

  it('a state that cannot be read stays what it was when everything is read again', async () => {
    let now = 0
    const clock = { wallMs: () => now, monotonicMs: () => now }
    const follower = new RegistryFollower({
      registry: openRegistry(faultyStore()),
      sweepMs: 1000,
      monotonicMs: clock.monotonicMs,
    })
    expect(await follower.refresh()).toBe(true)
    await store.put(stateKey('intent'), Buffer.from('{'))
    now = 2000
    expect(await follower.refresh()).toBe(true)
    expect(follower.models.get('intent')?.state.aliases).toEqual({ champion: 1 })
    expect(follower.unreadable.get('intent')).toContain('not JSON')
    await store.delete(stateKey('intent'))
    await publisher.promote('intent', 1)
    now = 4000
    await follower.refresh()
    expect(follower.unreadable.size).toBe(0)
    await store.delete(versionKey('intent', 1))
    now = 6000
    await follower.refresh()
    expect(follower.models.size).toBe(0)
  })

  it.each([-3600, 3600, 86_400 * 365])(
    'a publisher whose clock is %i seconds off is followed as any other',
    async (seconds) => {
      const wallMs = () => Date.now() + seconds * 1000
      const skewed = openRegistry(store, { clock: { wallMs, monotonicMs: () => 0 } })
      await serve()
      await refresh()
      await publishHead(skewed, 'intent', createTestHead('second'))
      await refresh()
      expect(await ask('intent')).toBe('intent@v2:second')
      await publisher.rollback('intent')
      await refresh()
      expect(await ask('intent')).toBe('intent@v1:first')
      await skewed.promote('intent', 2)
      await refresh()
      expect(await ask('intent')).toBe('intent@v2:second')
    },
  )

  it('a cache folder that cannot be written costs a line in the log', async () => {
    await rm(cache, { recursive: true })
    await writeFile(cache, 'a file')
    await promoteSecond()
    await refresh()
    expect(await ask('intent')).toBe('intent@v2:second')
    await rm(cache)
  })
})
