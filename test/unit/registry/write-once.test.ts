import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import { createAgedStore } from '../../fakes/aged-store.ts'
import { FakeBucket } from '../../fakes/fake-bucket.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/fake-s3.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, useScratch } from './scratch.ts'

const VERSIONS = /^(?:[^/]+\/)?models\/[^/]+\/versions\//
const NEVER_CHANGES = /^(?:[^/]+\/)?(?:blobs\/|models\/[^/]+\/versions\/)/
const MIB = 1024 * 1024

/** A bucket whose policy is that of the deployment: nothing is overwritten blindly, and versions not at all. */
describe('a bucket that denies overwrites', () => {
  let server: FakeS3 | undefined
  const scratch = useScratch()
  afterEach(() => server?.close())

  async function open(createdOnly: RegExp | undefined = VERSIONS): Promise<BlobStore> {
    server = await startFakeS3(new FakeBucket({ writtenOnce: NEVER_CHANGES, createdOnly }))
    return openS3Store(server.url('registry'), { ...server.options, partBytes: 5 * MIB })
  }

  it('denies what it should', async () => {
    const store = await open()
    const key = `registry/blobs/sha256/${'a'.repeat(64)}`
    const request = { query: new URLSearchParams(), headers: {}, body: Buffer.from('x') }
    expect(server!.bucket.handle({ ...request, method: 'PUT', key })).toMatchObject({ status: 403 })
    await store.close()
  })

  it('takes versions, aliases, traffic and rollbacks', async () => {
    const store = await open()
    const registry = openRegistry(store)
    for (const content of ['one', 'two']) await registry.publish(sampleRequest(content))
    await registry.promote('intent', 1)
    await registry.promote('intent', 2)
    await registry.setTraffic('intent', [{ version: 1, percent: 100 }])
    expect((await registry.rollback('intent')).aliases).toEqual({ champion: 1 })
    expect(await registry.resolve('intent@v2')).toMatchObject({ version: 2 })
    await registry.close()
  })

  it('takes a blob again that is old, so that no garbage collection finds it old', async () => {
    const aged = createAgedStore(await open())
    const registry = openRegistry(aged.store)
    await registry.publish(sampleRequest('same'))
    await aged.age('blobs/', 2 * 3_600_000)
    server!.requests.length = 0
    await registry.publish(sampleRequest('same'))
    const writes = server!.requests.filter((line) => line.startsWith('PUT registry/blobs/'))
    expect(new Set(writes).size).toBe(2)
    expect(await registry.resolve('intent@v2')).toMatchObject({ version: 2 })
    await registry.close()
  })

  it('takes large files in parts, also over one that is there', async () => {
    const store = await open()
    const path = join(await scratch(), 'large')
    const key = `blobs/sha256/${'b'.repeat(64)}`
    for (const letter of ['a', 'b']) {
      await writeFile(path, letter.repeat(6 * MIB))
      await store.upload(key, path)
      const found = await store.get(key, { maxBytes: 8 * MIB })
      expect(found).toMatchObject({ status: 'found', body: { byteLength: 6 * MIB } })
      if (found.status === 'found') expect(found.body[0]).toBe(letter.charCodeAt(0))
    }
    expect(server!.bucket.uploads.size).toBe(0)
    await store.close()
  })

  it('lets every writer of the same blob succeed', async () => {
    const store = await open()
    const key = `blobs/sha256/${'c'.repeat(64)}`
    const body = bytesOf('the same for all')
    await Promise.all(Array.from({ length: 8 }, () => store.put(key, body)))
    expect(await store.get(key, { maxBytes: 100 })).toMatchObject({ status: 'found', body })
    await store.close()
  })

  it('keeps versions from whoever may not remove them, and says which right it takes', async () => {
    const registry = openRegistry(await open())
    await registry.publish(sampleRequest('one'))
    await expect(registry.deleteVersion('intent', 1)).rejects.toMatchObject({
      code: 'registry_unavailable',
      message: expect.stringMatching(
        /cannot replace models\/intent\/versions\/1\.json .*access denied; allow s3:PutObject/,
      ),
    })
    expect(await registry.resolve('intent@v1')).toMatchObject({ version: 1 })
    await registry.close()
  })

  it('lets an operator put a tombstone in the place of a version', async () => {
    const registry = openRegistry(await open(/^nothing$/))
    await registry.publish(sampleRequest('one'))
    await registry.deleteVersion('intent', 1)
    await expect(registry.resolve('intent@v1')).rejects.toMatchObject({ code: 'version_not_found' })
    await registry.close()
  })
})
