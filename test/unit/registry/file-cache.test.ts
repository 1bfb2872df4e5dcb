import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import type { Registry, RegistryVersion } from '../../../shared/registry/types.ts'
import { createFullDiskStore } from '../../fakes/full-disk-store.ts'
import { interceptStore } from '../../fakes/intercepted-store.ts'
import { describeOnStores } from './on-stores.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, useScratch } from './scratch.ts'

describeOnStores('fetching files', (open) => {
  const scratch = useScratch()
  let store: BlobStore
  let registry: Registry
  let version: RegistryVersion
  let cache: string
  let key: string
  let downloads: number
  beforeEach(async () => {
    const inner = await open()
    downloads = 0
    store = interceptStore(inner, {
      download: (...args) => {
        downloads++
        return inner.download(...args)
      },
    })
    registry = openRegistry(store)
    version = (await registry.publish(sampleRequest('one'))).version
    cache = join(await scratch(), 'cache')
    key = `blobs/sha256/${version.files[0]!.sha256}`
  })

  it('downloads once and verifies', async () => {
    const path = await registry.fetchFile(version, 'head.bin', cache)
    expect(path).toBe(join(cache, 'sha256', version.files[0]!.sha256))
    expect(await readFile(path, 'utf8')).toBe('weights one')
    expect(await registry.fetchFile(version, 'head.bin', cache)).toBe(path)
    expect(downloads).toBe(1)
    expect(await readdir(join(cache, '.tmp'))).toEqual([])
  })

  it('lays files out under their own paths', async () => {
    const folder = await registry.fetchFiles(version, cache)
    expect(await readFile(join(folder, 'head.bin'), 'utf8')).toBe('weights one')
    expect(await readFile(join(folder, 'report/report.md'), 'utf8')).toBe('report one')
    const same = (await registry.publish(sampleRequest('one'))).version
    expect(await registry.fetchFiles(same, cache)).toBe(folder)
    const other = (await registry.publish(sampleRequest('two'))).version
    const partly = await registry.fetchFiles(other, cache, { paths: ['head.bin'] })
    expect(await readdir(partly)).toEqual(['head.bin'])
  })

  it.each([
    ['changed in place', (path: string) => writeFile(path, 'WEIGHTS one')],
    ['truncated', (path: string) => truncate(path, 3)],
    ['removed', (path: string) => rm(path)],
  ])('heals a cached file that was %s', async (_, damage) => {
    const folder = await registry.fetchFiles(version, cache)
    await damage(await registry.fetchFile(version, 'head.bin', cache))
    const path = await registry.fetchFile(version, 'head.bin', cache)
    expect(await readFile(path, 'utf8')).toBe('weights one')
    await registry.fetchFiles(version, cache)
    expect(await readFile(join(folder, 'head.bin'), 'utf8')).toBe('weights one')
  })

  it('trusts the size alone when told to', async () => {
    const path = await registry.fetchFile(version, 'head.bin', cache)
    await writeFile(path, 'WEIGHTS one')
    await registry.fetchFile(version, 'head.bin', cache, { trustCache: true })
    expect(downloads).toBe(1)
    await truncate(path, 3)
    await registry.fetchFile(version, 'head.bin', cache, { trustCache: true })
    expect(downloads).toBe(2)
  })

  it.each([
    ['altered', 'WEIGHTS one'],
    ['truncated', 'weig'],
  ])('refuses an %s blob, naming file and hashes, and caches nothing', async (_, content) => {
    await store.put(key, bytesOf(content))
    const sha256 = version.files[0]!.sha256
    const corrupt = {
      code: 'artifact_corrupt',
      message: expect.stringMatching(
        new RegExp(`head\\.bin of intent@v1.*expected sha256 ${sha256}, found [0-9a-f]{64}`),
      ),
    }
    await expect(registry.fetchFile(version, 'head.bin', cache)).rejects.toMatchObject(corrupt)
    const limit = { maxBytes: 1024 }
    await expect(registry.readFile(version, 'head.bin', limit)).rejects.toMatchObject(corrupt)
    expect(await readdir(join(cache, '.tmp'))).toEqual([])
    await expect(stat(join(cache, 'sha256', sha256))).rejects.toMatchObject({ code: 'ENOENT' })
    await registry.publish(sampleRequest('one'))
  })

  it('refuses a blob that is longer than its manifest says, and one that is missing', async () => {
    await store.put(key, bytesOf('weights one and more'))
    const tooLong = { code: 'artifact_corrupt', message: expect.stringContaining('larger than') }
    await expect(registry.fetchFile(version, 'head.bin', cache)).rejects.toMatchObject(tooLong)
    await store.delete(key)
    const missing = { code: 'artifact_corrupt', message: expect.stringContaining('is missing') }
    await expect(registry.fetchFile(version, 'head.bin', cache)).rejects.toMatchObject(missing)
  })

  it('names the files it has when asked for another', async () => {
    await expect(
      (async () => registry.fetchFile(version, '../head.bin', cache))(),
    ).rejects.toMatchObject({
      code: 'invalid_data',
      message: expect.stringContaining('head.bin, report/report.md'),
    })
    const limit = { maxBytes: 10 }
    await expect(registry.readFile(version, 'head.bin', limit)).rejects.toMatchObject({
      message: expect.stringContaining('at most 10'),
    })
  })

  it('is safe for many at once', async () => {
    const paths = await Promise.all(
      Array.from({ length: 10 }, () => registry.fetchFiles(version, cache)),
    )
    expect(new Set(paths).size).toBe(1)
    expect(await readFile(join(paths[0]!, 'head.bin'), 'utf8')).toBe('weights one')
    expect(await readdir(join(cache, '.tmp'))).toEqual([])
  })

  it('names the cache folder when its disk is full, leaves nothing there and goes on after', async () => {
    const disk = { full: true }
    const short = openRegistry(createFullDiskStore(store, disk))
    await expect(short.fetchFiles(version, cache)).rejects.toMatchObject({
      code: 'registry_unavailable',
      message: expect.stringMatching(
        /cache folder .*: the disk is full \(ENOSPC\); free some space, or set ESPALIER_CACHE/,
      ),
    })
    expect(await readdir(join(cache, '.tmp'))).toEqual([])
    await expect(readdir(join(cache, 'sha256'))).rejects.toMatchObject({ code: 'ENOENT' })
    disk.full = false
    const folder = await short.fetchFiles(version, cache)
    expect(await readFile(join(folder, 'head.bin'), 'utf8')).toBe('weights one')
  })

  it('says which cache folder cannot be used', async () => {
    await writeFile(cache, 'a file')
    await expect(registry.fetchFile(version, 'head.bin', cache)).rejects.toMatchObject({
      code: 'registry_unavailable',
      message: expect.stringContaining(`cache folder ${cache}`),
    })
  })
})
