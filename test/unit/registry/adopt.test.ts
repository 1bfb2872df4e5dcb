import { readdir } from 'node:fs/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry, RegistryVersion } from '../../../shared/registry/types.ts'
import { watchStore } from '../../fakes/watched-store.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, useScratch } from './scratch.ts'

describe('copying a version to another registry', () => {
  const scratch = useScratch()
  let source: Registry
  let target: Registry
  let version: RegistryVersion
  let folder: string
  beforeEach(async () => {
    folder = await scratch()
    source = openRegistry(openMemoryStore())
    target = openRegistry(openDirectoryStore(await scratch()))
    await source.publish(sampleRequest('older'))
    const details = { description: 'what it is', createdBy: 'ann', fingerprint: 'e'.repeat(64) }
    version = (await source.publish(sampleRequest('one', details))).version
  })
  const adopt = (to = target, from = source, keepVersion = false) =>
    to.adopt(from, version, { folder, keepVersion })

  it('keeps files, description and time, and takes the next number', async () => {
    await target.publish(sampleRequest('own'))
    await target.publish(sampleRequest('own too'))
    expect(await adopt()).toEqual({ status: 'copied', version: 3 })
    const copy = await target.getVersion('intent', 3)
    const { idempotencyHash, ...rest } = copy
    expect(rest).toEqual({ ...version, version: 3 })
    expect(await target.readFile(copy, 'head.bin', { maxBytes: 100 })).toEqual(
      bytesOf('weights one'),
    )
    expect(await target.readIndex()).toMatchObject({ index: { models: { intent: { latest: 3 } } } })
    expect((await target.verify()).damages).toEqual([])
    expect(await readdir(`${folder}/sha256`)).toEqual([])
  })

  it('copies once, also by many, and on the way back', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => adopt()))
    expect(new Set(all.map(({ version }) => version))).toEqual(new Set([1]))
    expect(await adopt()).toEqual({ status: 'present', version: 1 })
    expect(await target.listVersions('intent')).toEqual([1])
    const copy = await target.getVersion('intent', 1)
    expect(await source.adopt(target, copy, { folder })).toEqual({ status: 'present', version: 2 })
    const third = openRegistry(openMemoryStore())
    await third.adopt(target, copy, { folder })
    expect(await adopt(third)).toEqual({ status: 'present', version: 1 })
  })

  it('keeps the number where that is asked for, and refuses to take it from another', async () => {
    expect(await adopt(target, source, true)).toEqual({ status: 'copied', version: 2 })
    expect(await target.listVersions('intent')).toEqual([2])
    expect((await target.publish(sampleRequest('next'))).version.version).toBe(3)
    const other = openRegistry(openMemoryStore())
    await other.publish(sampleRequest('a'))
    await other.publish(sampleRequest('b'))
    await expect(adopt(other, source, true)).rejects.toMatchObject({
      code: 'version_conflict',
      message: 'intent@v2 is another version in memory:',
    })
    expect(await other.listVersions('intent')).toEqual([1, 2])
    // Told to take any number after that, it does, and keeps it.
    expect(await adopt(other)).toEqual({ status: 'copied', version: 3 })
    expect(await adopt(other, source, true)).toEqual({ status: 'present', version: 3 })
  })

  it('does not bring back what was deleted', async () => {
    await adopt()
    const copy = await target.getVersion('intent', 1)
    await target.deleteVersion('intent', 1, { graceMs: 0 })
    expect(await adopt()).toEqual({ status: 'deleted', version: 1 })
    await source.deleteVersion('intent', 2, { graceMs: 0 })
    const back = openRegistry(openMemoryStore())
    await expect(source.adopt(back, copy, { folder })).resolves.toEqual({
      status: 'deleted',
      version: 2,
    })
  })

  it('sends no file that is there already', async () => {
    const { store, transfers } = countTransfers()
    const counted = openRegistry(store)
    await counted.publish(sampleRequest('one', { name: 'topic' }))
    transfers.length = 0
    expect(await adopt(counted)).toEqual({ status: 'copied', version: 1 })
    expect(transfers).toEqual([])
  })

  it('refuses files that are damaged at their source, and leaves no version', async () => {
    const store = openMemoryStore()
    const damaged = openRegistry(store)
    const { version: bad } = await damaged.publish(sampleRequest('bad'))
    await store.put(`blobs/sha256/${bad.files[0]!.sha256}`, bytesOf('WEIGHTS bad'))
    await expect(target.adopt(damaged, bad, { folder })).rejects.toMatchObject({
      code: 'artifact_corrupt',
      message: expect.stringContaining('head.bin of intent@v1 in memory:'),
    })
    expect(await target.listModels()).toEqual([])
  })

  it('finishes what died at any point, under one number', async () => {
    for (let at = 0; ; at++) {
      const store = openMemoryStore()
      let operations = 0
      const dying = watchStore(store, async () => {
        if (operations++ >= at) throw new Error('killed')
      })
      const died = await adopt(openRegistry(dying), source, at % 2 === 0).catch(() => null)
      const after = openRegistry(store)
      const { status, version: number } = await adopt(after, source, at % 3 === 0)
      expect(['copied', 'present']).toContain(status)
      expect(await after.listVersions('intent')).toEqual([number])
      expect((await after.verify()).damages).toEqual([])
      if (died !== null) return expect(at).toBeGreaterThan(10)
    }
  })

  function countTransfers() {
    const transfers: string[] = []
    const store = watchStore(openMemoryStore(), async (operation, key) => {
      const sends = operation === 'put' || operation === 'upload'
      if (sends && key.startsWith('blobs/')) transfers.push(key)
    })
    return { store, transfers }
  }
})
