import { beforeEach, describe, expect, it } from 'vitest'
import { COMMAND_LINE } from '../../../functions/cli/output/report-error.ts'
import { print } from '../../../shared/lib/wording.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { watchStore } from '../../fakes/watched-store.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf } from './scratch.ts'

const STATE = 'models/intent/state.json'

describe('verify', () => {
  let store: BlobStore
  let registry: Registry
  /** The blob keys of `intent@v1`: its head and its report. */
  let blobs: string[]
  beforeEach(async () => {
    store = openMemoryStore()
    registry = openRegistry(store)
    const { version } = await registry.publish(sampleRequest('one'))
    blobs = version.files.map(({ sha256 }) => `blobs/sha256/${sha256}`)
    await registry.publish(sampleRequest('two'))
    await registry.publish(sampleRequest('one', { name: 'topic' }))
    await registry.promote('intent', 1)
    await registry.setTraffic('intent', [
      { version: 1, percent: 90 },
      { version: 2, percent: 10 },
    ])
    await registry.setShadow('intent', { version: 2, samplePercent: 5 })
  })
  const damages = async (name?: string) => {
    const { damages } = await registry.verify({ name })
    return damages.map(({ what, why }) => ({ what, why: print(why, COMMAND_LINE) }))
  }
  const changeState = async (change: (state: Record<string, unknown>) => void) => {
    const found = await store.get(STATE, { maxBytes: 1 << 20 })
    if (found.status !== 'found') throw new Error(found.status)
    const state = JSON.parse(new TextDecoder().decode(found.body))
    change(state)
    await store.put(STATE, bytesOf(JSON.stringify(state)))
  }

  it('reads everything and finds nothing wrong, with progress', async () => {
    const seen: string[] = []
    const onProgress = (stage: string, done: number, total: number) =>
      void seen.push(`${stage} ${done}/${total}`)
    expect(await registry.verify({ onProgress })).toEqual({
      models: 2,
      versions: 3,
      blobs: 4,
      bytes: 2 * ('weights one'.length + 'report one'.length),
      damages: [],
    })
    expect(seen).toContain('versions 3/3')
    expect(seen).toContain('files 4/4')
    expect(await registry.verify({ name: 'topic' })).toMatchObject({ models: 1, versions: 1 })
    expect(await registry.verify({ name: 'nothing' })).toMatchObject({ models: 0, versions: 0 })
  })

  it('names every version that a damaged file belongs to', async () => {
    await store.put(blobs[0]!, bytesOf('WEIGHTS one'))
    await store.put(blobs[1]!, bytesOf('cut'))
    expect(await damages()).toEqual([
      {
        what: 'head.bin of intent@v1',
        why: expect.stringMatching(/^blobs\/sha256\/[0-9a-f]{64} is corrupt: its sha256 is /),
      },
      { what: 'head.bin of topic@v1', why: expect.stringContaining('is corrupt') },
      { what: 'report/report.md of intent@v1', why: expect.stringContaining('3 bytes, not 10') },
      { what: 'report/report.md of topic@v1', why: expect.stringContaining('3 bytes, not 10') },
    ])
    expect(await damages('topic')).toHaveLength(2)
    await store.delete(blobs[0]!)
    await store.delete(blobs[1]!)
    expect((await damages()).every(({ why }) => why.endsWith('is missing'))).toBe(true)
    // Publishing the same content heals all versions that have it.
    await registry.publish(sampleRequest('one'))
    expect(await damages()).toEqual([])
  })

  it('reports every name that means a version that does not exist', async () => {
    await changeState((state) => {
      state.aliases = { champion: 7, challenger: 2 }
      state.traffic = [{ version: 8, percent: 100 }]
      state.shadow = { version: 9, samplePercent: 5 }
    })
    expect(await damages()).toEqual([
      { what: 'intent@champion', why: 'it means v7, which does not exist' },
      { what: 'shadow of intent', why: 'it means v9, which does not exist' },
      { what: 'traffic of intent', why: 'it means v8, which does not exist' },
    ])
    await registry.publish(sampleRequest('three'))
    await registry.deleteVersion('intent', 3)
    await changeState((state) => {
      Object.assign(state, { aliases: { champion: 3 }, traffic: null, shadow: null, deleted: [] })
    })
    expect(await damages()).toEqual([
      { what: 'intent@champion', why: 'it means v3, which was deleted' },
    ])
  })

  it('reports records that are damaged or newer, by number, and goes on', async () => {
    await store.put('models/intent/versions/2.json', bytesOf('{"schema":9}'))
    await store.put('models/topic/state.json', bytesOf('{"schema":1,'))
    await store.put('index.json', bytesOf('[]'))
    await store.delete(blobs[0]!)
    expect(await damages()).toEqual([
      { what: 'head.bin of intent@v1', why: expect.stringContaining('missing') },
      { what: 'head.bin of topic@v1', why: expect.stringContaining('missing') },
      { what: 'index.json', why: expect.stringContaining('index.json in memory:') },
      { what: 'intent@v2', why: expect.stringMatching(/schema 9; .* up to 1/) },
      { what: 'topic', why: expect.stringContaining('not JSON') },
    ])
  })

  it('reports a deletion that was interrupted', async () => {
    await registry.publish(sampleRequest('three'))
    await changeState((state) => {
      state.deleted = [3]
    })
    expect(await damages()).toEqual([
      { what: 'intent@v3', why: expect.stringContaining('"espalier delete intent@v3"') },
    ])
  })

  it('takes a deletion that happens meanwhile for no damage', async () => {
    await registry.publish(sampleRequest('three'))
    let deleted = false
    const watched = watchStore(store, async (operation) => {
      if (operation !== 'download' || deleted) return
      deleted = true
      await registry.deleteVersion('intent', 3, { graceMs: 0 })
    })
    expect((await openRegistry(watched).verify()).damages).toEqual([])
    expect(deleted).toBe(true)
  })

  it('stops when told to', async () => {
    const signal = AbortSignal.abort(new Error('left'))
    await expect(registry.verify({ signal })).rejects.toThrow('left')
  })

  it('does not see half a publication', async () => {
    await store.put(`blobs/sha256/${'0'.repeat(64)}`, bytesOf('half'))
    await store.put('models/half/requests/x.json', bytesOf('{"schema":1,"version":1,"content":""}'))
    expect(await registry.verify()).toMatchObject({ models: 2, versions: 3, damages: [] })
    expect((await registry.listModels()).map(({ name }) => name)).toEqual(['intent', 'topic'])
    await expect(registry.resolve('half')).rejects.toMatchObject({ code: 'model_not_found' })
  })
})
