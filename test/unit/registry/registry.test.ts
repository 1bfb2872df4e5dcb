import { beforeEach, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { interceptStore } from '../../fakes/intercepted-store.ts'
import { describeOnStores } from './on-stores.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, collect } from './scratch.ts'

const DAY_MS = 86_400_000

describeOnStores('registry', (open) => {
  let store: BlobStore
  let registry: Registry
  beforeEach(async () => {
    store = await open()
    registry = openRegistry(store)
    for (const content of ['one', 'two', 'three']) await registry.publish(sampleRequest(content))
  })

  it('resolves versions, aliases and the unqualified name', async () => {
    await registry.promote('intent', 2)
    await registry.promote('intent', 3, { alias: 'challenger' })
    const at = (version: number, alias: string | null, via: string) => ({
      name: 'intent',
      version,
      alias,
      via,
    })
    expect(await registry.resolve('intent')).toEqual(at(2, 'champion', 'alias'))
    expect(await registry.resolve('intent@champion')).toEqual(at(2, 'champion', 'alias'))
    expect(await registry.resolve('intent@challenger')).toEqual(at(3, 'challenger', 'alias'))
    expect(await registry.resolve('intent@v1')).toEqual(at(1, null, 'version'))
    await registry.setTraffic('intent', [{ version: 3, percent: 100 }])
    expect(await registry.resolve('intent', { routeKey: 'x' })).toEqual(at(3, null, 'traffic'))
    expect(await registry.resolve('intent@champion')).toEqual(at(2, 'champion', 'alias'))
  })

  it.each([
    ['other', 'model_not_found', '"other"'],
    ['other@v1', 'model_not_found', '"other"'],
    ['constructor', 'model_not_found', '"constructor"'],
    ['intent@v9', 'version_not_found', 'intent has no v9; its latest version is v3'],
    ['intent', 'version_not_found', 'intent has no champion'],
    ['intent@constructor', 'version_not_found', 'intent has no constructor'],
    ['../x', 'invalid_name', '"../x"'],
    ['intent@', 'invalid_name', '"intent@"'],
    ['intent@v0', 'invalid_name', 'intent@v0'],
    ['intent@../x', 'invalid_name', 'intent@../x'],
  ])('says what is wrong with %s', async (address, code, message) => {
    await expect(registry.resolve(address)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })

  it('promotes only what exists, and only from the expected version', async () => {
    await expect(registry.promote('intent', 9)).rejects.toMatchObject({ code: 'version_not_found' })
    await expect(registry.promote('other', 1)).rejects.toMatchObject({ code: 'model_not_found' })
    await expect(registry.rollback('other')).rejects.toMatchObject({ code: 'model_not_found' })
    await registry.promote('intent', 1)
    await expect(registry.promote('intent', 2, { ifCurrent: 3 })).rejects.toMatchObject({
      code: 'version_conflict',
    })
    const state = await registry.promote('intent', 2, { ifCurrent: 1, by: 'me', reason: 'better' })
    expect(state).toMatchObject({ revision: 2, aliases: { champion: 2 } })
    expect(state.history[1]).toMatchObject({ by: 'me', reason: 'better', from: 1, to: 2 })
    expect((await registry.rollback('intent')).aliases.champion).toBe(1)
    await expect(registry.promote('intent', 2, { reason: 'x'.repeat(501) })).rejects.toMatchObject({
      code: 'invalid_data',
      message: expect.stringContaining('500'),
    })
  })

  it('rolls back no promotion that came in between', async () => {
    await registry.promote('intent', 1)
    await registry.promote('intent', 2)
    const other = openRegistry(store)
    // The other writer promotes after this one has read the state, and before it writes.
    const slow = interceptStore(store, {
      putIfMatch: async (key, ...rest) => {
        if (key.endsWith('state.json')) await other.promote('intent', 3)
        return store.putIfMatch(key, ...rest)
      },
    })
    await expect(openRegistry(slow).rollback('intent', { ifCurrent: 2 })).rejects.toMatchObject({
      code: 'version_conflict',
    })
    const reading = await registry.readState('intent')
    expect(reading).toMatchObject({ state: { revision: 3, aliases: { champion: 3 } } })
    expect((await registry.rollback('intent', { ifCurrent: 3 })).aliases.champion).toBe(2)
  })

  it('reads the state conditionally', async () => {
    expect(await registry.readState('intent')).toEqual({ status: 'missing' })
    await registry.promote('intent', 1)
    const reading = await registry.readState('intent')
    if (reading.status !== 'found') throw new Error(reading.status)
    const { etag } = reading
    expect(await registry.readState('intent', { etag })).toEqual({ status: 'not_modified' })
    await registry.promote('intent', 2)
    expect(await registry.readState('intent', { etag })).toMatchObject({
      status: 'found',
      state: { revision: 2 },
    })
  })

  it('loses none of 20 changes at once', async () => {
    const aliases = Array.from({ length: 20 }, (_, i) => `a${i}`)
    await Promise.all(aliases.map((alias) => registry.promote('intent', 1, { alias })))
    const reading = await registry.readState('intent')
    if (reading.status !== 'found') throw new Error(reading.status)
    expect(reading.state.revision).toBe(20)
    expect(Object.keys(reading.state.aliases).sort()).toEqual([...aliases].sort())
  })

  it('knows its own change when the first answer was lost', async () => {
    await registry.promote('intent', 1)
    let lost = 0
    const ambiguous = interceptStore(store, {
      putIfMatch: async (key, ...rest) => {
        const result = await store.putIfMatch(key, ...rest)
        if (!key.endsWith('state.json')) return result
        lost++
        return { status: 'changed' }
      },
    })
    const state = await openRegistry(ambiguous).promote('intent', 2, { ifCurrent: 1 })
    expect(state).toMatchObject({ revision: 2, aliases: { champion: 2 } })
    expect(lost).toBe(1)
  })

  it('keeps an index that tells which models changed', async () => {
    await registry.publish(sampleRequest('x', { name: 'topic' }))
    await registry.promote('intent', 2)
    const reading = await registry.readIndex()
    if (reading.status !== 'found') throw new Error(reading.status)
    expect(reading.index.models).toEqual({
      intent: { kind: 'classifier', latest: 3, revision: 1 },
      topic: { kind: 'classifier', latest: 1, revision: 0 },
    })
    const { etag } = reading
    expect(await registry.readIndex({ etag })).toEqual({ status: 'not_modified' })
    await registry.promote('topic', 1)
    expect(await registry.readIndex({ etag })).toMatchObject({ status: 'found' })
  })

  it('rebuilds an index that is lost, wrong or no JSON', async () => {
    await registry.promote('intent', 2)
    const expected = { intent: { kind: 'classifier', latest: 3, revision: 1 } }
    const entry = '{"kind":"classifier","latest":99,"revision":99}'
    const wrong = `{"schema":1,"revision":9,"models":{"intent":${entry},"gone":${entry}}}`
    for (const content of [null, wrong, '{"schema":1,', '[]']) {
      if (content === null) await store.delete('index.json')
      else await store.put('index.json', bytesOf(content))
      await registry.rebuildIndex()
      expect(await registry.readIndex()).toMatchObject({ index: { models: expected } })
    }
  })

  it('changes a state though the index cannot be written', async () => {
    const failing = interceptStore(store, {
      putIfMatch: async (key, ...rest) => {
        if (key === 'index.json') throw new Error('no')
        return store.putIfMatch(key, ...rest)
      },
    })
    const state = await openRegistry(failing).promote('intent', 2)
    expect(state.aliases).toEqual({ champion: 2 })
  })

  it('lists models from the objects themselves', async () => {
    await registry.publish(sampleRequest('x', { name: 'topic', kind: 'embedding' }))
    await registry.promote('intent', 2)
    await store.put('models/intent/versions/4.json', bytesOf('{"schema":1,'))
    expect(await registry.listModels()).toMatchObject([
      {
        name: 'intent',
        kind: 'classifier',
        origin: 'registry',
        versions: [1, 2, 3, 4],
        state: { aliases: { champion: 2 } },
      },
      { name: 'topic', kind: 'embedding', versions: [1], state: { revision: 0 } },
    ])
  })

  it('deletes a version nobody uses, its blobs, and never its number', async () => {
    await registry.promote('intent', 2)
    const shared = { path: 'labels.txt', source: { bytes: bytesOf('labels') } }
    const files = (content: string) => [
      shared,
      { path: 'head.bin', source: { bytes: bytesOf(content) } },
    ]
    await registry.publish(sampleRequest('', { files: files('four') }))
    const { version } = await registry.publish(sampleRequest('', { files: files('five') }))
    const [labels, head] = version.files.map(({ sha256 }) => sha256)

    await expect(registry.deleteVersion('intent', 2)).rejects.toMatchObject({
      code: 'version_conflict',
      message: expect.stringContaining('alias champion'),
    })
    expect(await registry.deleteVersion('intent', 5, { graceMs: 0, by: 'me' })).toEqual({
      erased: [head],
      kept: [{ sha256: labels, why: 'another version uses it' }],
    })
    expect(await store.head(`blobs/sha256/${head}`)).toBeNull()
    expect(await registry.listVersions('intent')).toEqual([1, 2, 3, 4])
    await expect(registry.getVersion('intent', 5)).rejects.toMatchObject({
      code: 'version_not_found',
      message: expect.stringContaining('intent@v5 was deleted'),
    })
    await expect(registry.promote('intent', 5)).rejects.toMatchObject({ code: 'version_not_found' })
    expect((await registry.publish(sampleRequest('six'))).version.version).toBe(6)
    // Without a shorter grace the blobs of a young version stay for the garbage collector.
    const young = await registry.deleteVersion('intent', 6)
    expect(young.kept.every(({ why }) => why.includes('young'))).toBe(true)
  })

  it('refuses to delete while a promotion of the version may be under way', async () => {
    // The promoter has seen the version; the deletion is marked before the promoter swaps the state.
    let deleted = false
    const slow = interceptStore(store, {
      get: async (key, options) => {
        const found = await store.get(key, options)
        if (key.endsWith('/3.json') && !deleted) {
          deleted = true
          await registry.deleteVersion('intent', 3)
        }
        return found
      },
    })
    await expect(openRegistry(slow).promote('intent', 3)).rejects.toMatchObject({
      code: 'version_not_found',
      message: expect.stringContaining('was deleted'),
    })
  })

  it('finishes a deletion that was interrupted, and leaves blobs it cannot judge', async () => {
    const dying = interceptStore(store, {
      putIfMatch: async (key, ...rest) => {
        if (key.includes('/versions/')) throw new Error('killed')
        return store.putIfMatch(key, ...rest)
      },
    })
    await expect(openRegistry(dying).deleteVersion('intent', 3)).rejects.toThrow('killed')
    expect(await registry.listVersions('intent')).toEqual([1, 2])
    await store.put('models/topic/versions/1.json', bytesOf('{"schema":9}'))
    const { erased, kept } = await registry.deleteVersion('intent', 3, { graceMs: 0 })
    expect(erased).toEqual([])
    expect(kept[0]!.why).toContain('schema 9')
    await expect(registry.getVersion('intent', 3)).rejects.toMatchObject({
      code: 'version_not_found',
    })
  })

  it('deletes the last version and then has no such model', async () => {
    const clock = { wallMs: () => Date.now() + 2 * DAY_MS, monotonicMs: () => 0 }
    for (const version of [1, 2, 3]) {
      await openRegistry(store, { clock }).deleteVersion('intent', version)
    }
    expect(await registry.listModels()).toEqual([])
    await expect(registry.resolve('intent')).rejects.toMatchObject({ code: 'model_not_found' })
    expect(await collect(store.list('blobs/'))).toEqual([])
  })
})
