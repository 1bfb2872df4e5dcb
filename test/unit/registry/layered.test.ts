import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { layerRegistry } from '../../../shared/registry/layered.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { watchStore } from '../../fakes/watched-store.ts'
import { describeOnStores } from './on-stores.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, useScratch } from './scratch.ts'

const LIMIT = { maxBytes: 1024 }

describeOnStores('built-in models under a registry', (open) => {
  const scratch = useScratch()
  let user: Registry
  let both: Registry
  beforeEach(async () => {
    user = openRegistry(await open())
    const builtin = openRegistry(openMemoryStore(), { origin: 'builtin' })
    await builtin.publish(sampleRequest('shipped'))
    await builtin.promote('intent', 1)
    both = layerRegistry(user, builtin)
  })
  const names = async () => (await both.listModels()).map(({ name, origin }) => `${name} ${origin}`)

  it('serves the built-in model while the user has none', async () => {
    await both.publish(sampleRequest('x', { name: 'topic' }))
    expect(await names()).toEqual(['intent builtin', 'topic registry'])
    expect(await both.resolve('intent')).toMatchObject({ version: 1, alias: 'champion' })
    const version = await both.getVersion('intent', 1)
    expect(version.origin).toBe('builtin')
    expect(await both.readFile(version, 'head.bin', LIMIT)).toEqual(bytesOf('weights shipped'))
    expect(await both.fetchFile(version, 'head.bin', await scratch())).toContain('sha256')
    expect(await both.fetchFiles(version, join(await scratch(), 'cache'))).toContain('versions')
    expect(await both.readState('intent')).toMatchObject({ state: { aliases: { champion: 1 } } })
    expect(await both.listVersions('intent')).toEqual([1])
    await expect(both.resolve('other')).rejects.toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining('"other"'),
    })
    await expect(both.resolve('intent@v2')).rejects.toMatchObject({ code: 'version_not_found' })
  })

  it('answers with the first version of the user that appears while it looks', async () => {
    const store = await open()
    const first = openRegistry(store)
    let pending = true
    const racing = watchStore(store, async (operation, key) => {
      if (!pending || operation !== 'list' || !key.startsWith('models/intent/')) return
      pending = false
      await first.publish(sampleRequest('mine'))
    })
    const builtin = openRegistry(openMemoryStore(), { origin: 'builtin' })
    await builtin.publish(sampleRequest('shipped'))
    const layered = layerRegistry(openRegistry(racing), builtin)
    expect(await layered.getVersion('intent', 1)).toMatchObject({ version: 1, origin: 'registry' })
    expect(pending).toBe(false)
  })

  it('lets a model of the user shadow it whole, from its first version on', async () => {
    const builtinState = await both.readState('intent')
    const etag = builtinState.status === 'found' ? builtinState.etag : ''
    expect(await both.readState('intent', { etag })).toEqual({ status: 'not_modified' })
    await both.publish(sampleRequest('mine'))
    await both.publish(sampleRequest('mine too'))
    expect(await names()).toEqual(['intent registry'])
    expect(await both.listVersions('intent')).toEqual([1, 2])
    expect(await both.readState('intent', { etag })).toEqual({ status: 'missing' })
    await expect(both.resolve('intent')).rejects.toMatchObject({ code: 'version_not_found' })
    await both.promote('intent', 2)
    expect(await both.resolve('intent')).toMatchObject({ version: 2 })
    expect(await both.readState('intent', { etag })).toMatchObject({ state: { revision: 1 } })
    const version = await both.getVersion('intent', 1)
    expect(await both.readFile(version, 'head.bin', LIMIT)).toEqual(bytesOf('weights mine'))
  })

  it('comes back when the last version of the user is deleted', async () => {
    await both.publish(sampleRequest('mine'))
    await both.deleteVersion('intent', 1)
    expect(await names()).toEqual(['intent builtin'])
    expect(await both.resolve('intent')).toMatchObject({ version: 1 })
    expect(await both.readState('intent')).toMatchObject({ state: { aliases: { champion: 1 } } })
  })

  it('merges the indexes under the tag of the one that changes', async () => {
    const shipped = await both.readIndex()
    if (shipped.status !== 'found') throw new Error(shipped.status)
    expect(Object.keys(shipped.index.models)).toEqual(['intent'])
    expect(await both.readIndex({ etag: shipped.etag })).toEqual({ status: 'not_modified' })
    await both.publish(sampleRequest('x', { name: 'topic' }))
    const merged = await both.readIndex({ etag: shipped.etag })
    if (merged.status !== 'found') throw new Error(merged.status)
    expect(Object.keys(merged.index.models).sort()).toEqual(['intent', 'topic'])
    expect(await both.readIndex({ etag: merged.etag })).toEqual({ status: 'not_modified' })
  })

  it('says that a built-in model cannot be changed', async () => {
    const refused = { code: 'version_conflict', message: expect.stringContaining('is built in') }
    await expect(both.promote('intent', 1)).rejects.toMatchObject(refused)
    await expect(both.rollback('intent')).rejects.toMatchObject(refused)
    await expect(both.deleteVersion('intent', 1)).rejects.toMatchObject(refused)
    await expect(both.promote('other', 1)).rejects.toMatchObject({ code: 'model_not_found' })
  })

  it('needs layers that can be told apart', () => {
    expect(() => layerRegistry(user, openRegistry(openMemoryStore()))).toThrow('origins')
  })
})
