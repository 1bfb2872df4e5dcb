import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { bytesOf, collect, useScratch } from './scratch.ts'

const LIMIT = { maxBytes: 1024 * 1024 }

/** What a kind of store brings to the contract. */
export interface StoreUnderTest {
  /** A store with no objects. */
  readonly open: () => Promise<BlobStore>
  /** The store itself refuses a key that is the folder of another. */
  readonly refusesFolders: boolean
}

/** What every BlobStore promises; a new kind of store is done when it passes. */
export function describeBlobStore(title: string, { open, refusesFolders }: StoreUnderTest): void {
  describe(`blob store: ${title}`, () => {
    const scratch = useScratch()
    let store: BlobStore
    let folder: string
    beforeAll(async () => {
      store = await open()
      folder = await scratch()
    })

    it('answers missing for what is not there', async () => {
      expect(await store.get('none/a', LIMIT)).toEqual({ status: 'missing' })
      expect(await store.get('none/a', { ...LIMIT, ifNoneMatch: '"x"' })).toEqual({
        status: 'missing',
      })
      expect(await store.head('none/a')).toBeNull()
      expect(await store.putIfMatch('none/a', bytesOf('x'), '"x"')).toEqual({ status: 'missing' })
      expect(await store.download('none/a', join(folder, 'none'), LIMIT)).toBeNull()
      expect(existsSync(join(folder, 'none'))).toBe(false)
      expect(await collect(store.list('none/'))).toEqual([])
      await store.delete('none/a')
    })

    it('creates once and keeps the first', async () => {
      const created = await store.putIfAbsent('create/a', bytesOf('first'))
      expect(created.status).toBe('created')
      expect(await store.putIfAbsent('create/a', bytesOf('second'))).toEqual({ status: 'exists' })
      const found = await store.get('create/a', LIMIT)
      expect(found).toMatchObject({ status: 'found', body: bytesOf('first') })
      expect(found).toMatchObject({ etag: (created as { etag: string }).etag })
    })

    it('reads conditionally', async () => {
      await store.put('read/a', bytesOf('one'))
      const info = await store.head('read/a')
      expect(info).toMatchObject({ bytes: 3, modifiedAt: expect.any(Date) })
      const same = await store.get('read/a', { ...LIMIT, ifNoneMatch: info!.etag })
      expect(same).toEqual({ status: 'not_modified' })
      await store.put('read/a', bytesOf('two'))
      const changed = await store.get('read/a', { ...LIMIT, ifNoneMatch: info!.etag })
      expect(changed).toMatchObject({ status: 'found', body: bytesOf('two') })
    })

    it('swaps only what is still the same', async () => {
      await store.put('swap/a', bytesOf('one'))
      const { etag } = (await store.head('swap/a'))!
      const swapped = await store.putIfMatch('swap/a', bytesOf('two'), etag)
      expect(swapped.status).toBe('replaced')
      expect(await store.putIfMatch('swap/a', bytesOf('three'), etag)).toEqual({
        status: 'changed',
      })
      const found = await store.get('swap/a', LIMIT)
      expect(found).toMatchObject({
        body: bytesOf('two'),
        etag: (swapped as { etag: string }).etag,
      })
      await store.delete('swap/a')
      expect(await store.putIfMatch('swap/a', bytesOf('x'), etag)).toEqual({ status: 'missing' })
    })

    it('lets exactly one of 20 creators win', async () => {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.putIfAbsent('race/create', bytesOf(`${i}`))),
      )
      expect(results.filter(({ status }) => status === 'created')).toHaveLength(1)
      const winner = results.findIndex(({ status }) => status === 'created')
      expect(await store.get('race/create', LIMIT)).toMatchObject({ body: bytesOf(`${winner}`) })
    })

    it('lets exactly one of 20 swappers win', async () => {
      await store.put('race/swap', bytesOf('start'))
      const { etag } = (await store.head('race/swap'))!
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.putIfMatch('race/swap', bytesOf(`${i}`), etag)),
      )
      expect(results.filter(({ status }) => status === 'replaced')).toHaveLength(1)
      expect(results.filter(({ status }) => status === 'changed')).toHaveLength(19)
      const winner = results.findIndex(({ status }) => status === 'replaced')
      expect(await store.get('race/swap', LIMIT)).toMatchObject({ body: bytesOf(`${winner}`) })
    })

    it('never shows a reader half of an overwrite', async () => {
      const bodies = [bytesOf('a'.repeat(300_000)), bytesOf('b'.repeat(200_000))]
      await store.put('torn/a', bodies[0]!)
      let writing = true
      const writer = (async () => {
        for (let i = 0; i < 20; i++) await store.put('torn/a', bodies[i % 2]!)
        writing = false
      })()
      while (writing) {
        const found = await store.get('torn/a', LIMIT)
        if (found.status !== 'found') throw new Error(found.status)
        const whole = bodies.some((body) => Buffer.compare(body, found.body) === 0)
        expect(whole).toBe(true)
      }
      await writer
    })

    it('refuses an object over the bound, before and while reading', async () => {
      await store.put('bound/a', bytesOf('123456'))
      await expect(store.get('bound/a', { maxBytes: 5 })).rejects.toMatchObject({
        code: 'artifact_corrupt',
        message: expect.stringContaining('bound/a'),
      })
      const path = join(folder, 'bound')
      await expect(store.download('bound/a', path, { maxBytes: 5 })).rejects.toMatchObject({
        code: 'artifact_corrupt',
      })
      expect(existsSync(path)).toBe(false)
      expect(await store.get('bound/a', { maxBytes: 6 })).toMatchObject({ status: 'found' })
    })

    it('moves files of several chunks both ways', async () => {
      const body = new Uint8Array(5 * 1024 * 1024 + 17).map((_, i) => (i * 31) >> 3)
      const sha256 = createHash('sha256').update(body).digest('hex')
      const from = join(folder, 'from')
      const to = join(folder, 'to')
      await writeFile(from, body)
      await store.upload(`blobs/${sha256}`, from, { sha256 })
      expect(await store.head(`blobs/${sha256}`)).toMatchObject({ bytes: body.length })
      const moved = await store.download(`blobs/${sha256}`, to, { maxBytes: body.length })
      expect(moved).toEqual({ bytes: body.length, sha256 })
      expect(Buffer.compare(await readFile(to), body)).toBe(0)
      await store.upload(`blobs/${sha256}`, from, { sha256 })
    })

    it('stores nothing where the hash differs', async () => {
      const sha256 = '0'.repeat(64)
      const from = join(folder, 'other')
      await writeFile(from, 'text')
      const corrupt = { code: 'artifact_corrupt', message: expect.stringContaining(sha256) }
      await expect(store.put('hash/a', bytesOf('text'), { sha256 })).rejects.toMatchObject(corrupt)
      await expect(store.upload('hash/a', from, { sha256 })).rejects.toMatchObject(corrupt)
      expect(await store.head('hash/a')).toBeNull()
    })

    it('keeps empty objects and copies of what it was given', async () => {
      await store.put('copy/empty', new Uint8Array())
      expect(await store.get('copy/empty', LIMIT)).toMatchObject({ body: new Uint8Array() })
      const body = bytesOf('before')
      await store.put('copy/a', body)
      body.fill(0)
      const first = await store.get('copy/a', LIMIT)
      if (first.status === 'found') first.body.fill(0)
      expect(await store.get('copy/a', LIMIT)).toMatchObject({ body: bytesOf('before') })
    })

    it('lists by prefix, in order, over pages', async () => {
      const keys = Array.from({ length: 1_050 }, (_, i) => `list/many/${i}.json`)
      const others = ['list/a-b', 'list/a.b', 'list/a/b', 'list/a/c/d', 'list/ab', 'list/a0']
      for (let at = 0; at < keys.length; at += 50) {
        const part = keys.slice(at, at + 50)
        await Promise.all(part.map((key) => store.put(key, bytesOf(key))))
      }
      for (const key of others) await store.put(key, bytesOf(key))
      const keysOf = async (prefix: string) =>
        (await collect(store.list(prefix))).map(({ key }) => key)
      expect(await keysOf('list/many/')).toEqual([...keys].sort())
      expect(await keysOf('list/many/10')).toEqual(
        keys.filter((key) => key.startsWith('list/many/10')).sort(),
      )
      expect(await keysOf('list/a')).toEqual([...others].sort())
      expect(await keysOf('list/a/')).toEqual(['list/a/b', 'list/a/c/d'])
      expect(await keysOf('list/')).toEqual([...keys, ...others].sort())
      const [entry] = await collect(store.list('list/ab'))
      expect(entry).toMatchObject({ bytes: 7, modifiedAt: expect.any(Date) })
    })

    it('can leave a listing early and deletes what it lists', async () => {
      for (const key of ['gone/a', 'gone/b', 'gone/c']) await store.put(key, bytesOf(key))
      for await (const { key } of store.list('gone/')) {
        expect(key).toBe('gone/a')
        break
      }
      for await (const { key } of store.list('gone/')) await store.delete(key)
      expect(await collect(store.list('gone/'))).toEqual([])
      expect((await store.putIfAbsent('gone/a', bytesOf('again'))).status).toBe('created')
    })

    const badKeys = ['', '/a', 'a/', 'a//b', '../a', 'a/../b', 'a/..', '.', '.tmp/a', 'a/.b']
    badKeys.push('a\\b', 'a b', 'a\0b', 'A/b', 'ü', 'a..b', 'a?', `${'a/'.repeat(300)}a`)
    it.each(badKeys)('refuses the key %j everywhere', async (key) => {
      const refused = { code: 'invalid_name' }
      const path = join(folder, 'bad')
      await expect(store.get(key, LIMIT)).rejects.toMatchObject(refused)
      await expect(store.head(key)).rejects.toMatchObject(refused)
      await expect(store.put(key, bytesOf('x'))).rejects.toMatchObject(refused)
      await expect(store.putIfAbsent(key, bytesOf('x'))).rejects.toMatchObject(refused)
      await expect(store.putIfMatch(key, bytesOf('x'), '"x"')).rejects.toMatchObject(refused)
      await expect(store.upload(key, path)).rejects.toMatchObject(refused)
      await expect(store.download(key, path, LIMIT)).rejects.toMatchObject(refused)
      await expect(store.delete(key)).rejects.toMatchObject(refused)
    })

    it.each(['../', '/', 'a/../', 'a//', '.locks/', 'a/.'])(
      'refuses the prefix %j',
      async (prefix) => {
        await expect(collect(store.list(prefix))).rejects.toMatchObject({ code: 'invalid_name' })
      },
    )

    it('bounds the bodies of conditional writes', async () => {
      const body = new Uint8Array(4 * 1024 * 1024 + 1)
      const refused = { code: 'invalid_data', message: expect.stringContaining('4194304') }
      await expect(store.putIfAbsent('large/a', body)).rejects.toMatchObject(refused)
      await expect(store.putIfMatch('large/a', body, '"x"')).rejects.toMatchObject(refused)
    })

    it.skipIf(!refusesFolders)('refuses a key that is the folder of another', async () => {
      await store.put('folder/a/b', bytesOf('x'))
      await store.put('folder/c', bytesOf('x'))
      for (const key of ['folder/a', 'folder/c/d', 'folder/c/d/e']) {
        const refused = { code: 'invalid_name', message: expect.stringContaining(key) }
        await expect(store.put(key, bytesOf('x'))).rejects.toMatchObject(refused)
        await expect(store.putIfAbsent(key, bytesOf('x'))).rejects.toMatchObject(refused)
      }
      expect(await store.head('folder/a')).toBeNull()
      expect(await store.get('folder/c/d', LIMIT)).toEqual({ status: 'missing' })
    })

    it('throws the reason of an aborted signal and does nothing', async () => {
      const reason = new Error('left')
      const signal = AbortSignal.abort(reason)
      const path = join(folder, 'aborted')
      await writeFile(path, 'x')
      await store.put('abort/a', bytesOf('x'))
      await expect(store.get('abort/a', { ...LIMIT, signal })).rejects.toBe(reason)
      await expect(store.head('abort/a', { signal })).rejects.toBe(reason)
      await expect(store.put('abort/b', bytesOf('x'), { signal })).rejects.toBe(reason)
      await expect(store.putIfAbsent('abort/b', bytesOf('x'), { signal })).rejects.toBe(reason)
      await expect(store.putIfMatch('abort/a', bytesOf('y'), '', { signal })).rejects.toBe(reason)
      await expect(store.upload('abort/b', path, { signal })).rejects.toBe(reason)
      await expect(store.download('abort/a', `${path}2`, { ...LIMIT, signal })).rejects.toBe(reason)
      await expect(collect(store.list('abort/', { signal }))).rejects.toBe(reason)
      await expect(store.delete('abort/a', { signal })).rejects.toBe(reason)
      expect((await collect(store.list('abort/'))).map(({ key }) => key)).toEqual(['abort/a'])
      expect(existsSync(`${path}2`)).toBe(false)
    })
  })
}
