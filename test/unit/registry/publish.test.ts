import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import type { PublishRequest } from '../../../shared/registry/publish.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { interceptStore } from '../../fakes/intercepted-store.ts'
import { describeOnStores } from './on-stores.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, collect, useScratch } from './scratch.ts'

const LIMIT = { maxBytes: 1024 }

describeOnStores('publish', (open) => {
  const scratch = useScratch()
  let store: BlobStore
  let registry: Registry
  beforeEach(async () => {
    store = await open()
    registry = openRegistry(store)
  })
  const keys = async () => (await collect(store.list(''))).map(({ key }) => key)

  it('numbers versions from 1 and gives back what was published', async () => {
    const first = await registry.publish(sampleRequest('one'))
    const second = await registry.publish(sampleRequest('two'))
    expect([first.version.version, second.version.version]).toEqual([1, 2])
    const version = await registry.getVersion('intent', 2)
    expect(version).toEqual(second.version)
    expect(version).toMatchObject({
      schema: 1,
      kind: 'classifier',
      origin: 'registry',
      metadata: { labels: ['a', 'b'] },
      metrics: { accuracy: 0.9 },
      lineage: { seed: 42 },
    })
    expect(version.files.map(({ path, bytes }) => [path, bytes])).toEqual([
      ['head.bin', 11],
      ['report/report.md', 10],
    ])
    expect(await registry.readFile(version, 'head.bin', LIMIT)).toEqual(bytesOf('weights two'))
    expect(await registry.listVersions('intent')).toEqual([1, 2])
    expect(await registry.listVersions('other')).toEqual([])
  })

  it('takes files from disk and stores equal content once', async () => {
    const path = join(await scratch(), 'weights')
    await writeFile(path, 'weights')
    const files = [
      { path: 'a.bin', source: { file: path } },
      { path: 'b.bin', source: { bytes: bytesOf('weights') } },
    ]
    const { version } = await registry.publish(sampleRequest('', { files }))
    expect(version.files[0]!.sha256).toBe(version.files[1]!.sha256)
    await registry.publish(sampleRequest('', { files }))
    expect((await keys()).filter((key) => key.startsWith('blobs/'))).toHaveLength(1)
  })

  it('heals a blob of the wrong size and refreshes an old one', async () => {
    const { version } = await registry.publish(sampleRequest('one'))
    const key = `blobs/sha256/${version.files[0]!.sha256}`
    await store.put(key, bytesOf('cut'))
    await registry.publish(sampleRequest('one'))
    expect(await store.head(key)).toMatchObject({ bytes: 11 })

    const tomorrow = Date.now() + 86_400_000
    const clock = { wallMs: () => tomorrow, monotonicMs: () => 0 }
    let written = 0
    const counting = interceptStore(store, {
      put: (...args) => {
        written++
        return store.put(...args)
      },
    })
    await openRegistry(counting, { clock }).publish(sampleRequest('one'))
    expect(written).toBeGreaterThan(0)
  })

  it('gives racing publishers different versions, all whole', async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => registry.publish(sampleRequest(`${i}`))),
    )
    const numbers = all.map(({ version }) => version.version).sort((a, b) => a - b)
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    for (const [i, { version }] of all.entries()) {
      const read = await registry.getVersion('intent', version.version)
      expect(await registry.readFile(read, 'head.bin', LIMIT)).toEqual(bytesOf(`weights ${i}`))
    }
  })

  it('makes one version per idempotency key, also of publishers that race', async () => {
    const request = sampleRequest('same', { idempotencyKey: 'job 17' })
    const racing = Array.from({ length: 10 }, (_, i) =>
      registry.publish(i % 2 ? request : sampleRequest(`other ${i}`)),
    )
    const all = await Promise.all(racing)
    const keyed = all.filter((_, i) => i % 2)
    expect(new Set(keyed.map(({ version }) => version.version)).size).toBe(1)
    expect(keyed.filter(({ created }) => created)).toHaveLength(1)
    expect(await registry.listVersions('intent')).toHaveLength(6)

    const again = await registry.publish({ ...request, metrics: { accuracy: 1 } })
    expect(again).toMatchObject({ created: false, version: { metrics: { accuracy: 0.9 } } })
    const other = sampleRequest('not the same', { idempotencyKey: 'job 17' })
    await expect(registry.publish(other)).rejects.toMatchObject({
      code: 'version_conflict',
      message: expect.stringContaining('other files'),
    })
  })

  it('finishes under the same key what died between its two writes', async () => {
    const request = sampleRequest('same', { idempotencyKey: 'key' })
    const dying = interceptStore(store, {
      putIfAbsent: async (...args) => {
        if (args[0].includes('/versions/')) throw new Error('killed')
        return store.putIfAbsent(...args)
      },
    })
    await expect(openRegistry(dying).publish(request)).rejects.toThrow('killed')
    expect(await registry.listVersions('intent')).toEqual([])
    // Meanwhile another takes the number that the key was bound to.
    expect((await registry.publish(sampleRequest('other'))).version.version).toBe(1)
    const retried = await registry.publish(request)
    expect(retried).toMatchObject({ created: true, version: { version: 2 } })
    expect(await registry.publish(request)).toMatchObject({ created: false })
  })

  it('heals under the same key what died after its manifest, though its report differs', async () => {
    const keyed = (report: string) =>
      sampleRequest('same', {
        idempotencyKey: 'key',
        idempotencyContent: 'rows and options',
        files: [
          { path: 'head.bin', source: { bytes: bytesOf('weights') } },
          { path: 'report.md', source: { bytes: bytesOf(report) } },
        ],
      })
    const { version } = await registry.publish(keyed('took 3 s'))
    for await (const { key } of store.list('blobs/')) await store.delete(key)
    const again = await registry.publish(keyed('took 4 s'))
    expect(again).toEqual({ version, created: false })
    expect(await registry.readFile(version, 'head.bin', LIMIT)).toEqual(bytesOf('weights'))
    expect((await registry.verify()).damages).toEqual([
      { what: 'report.md of intent@v1', why: expect.stringContaining('is missing') },
    ])
    const other = { ...keyed('took 3 s'), idempotencyContent: 'other rows' }
    await expect(registry.publish(other)).rejects.toMatchObject({
      code: 'version_conflict',
      message: expect.stringContaining('intent@v1, which was made of other input'),
    })
  })

  it('tells how many bytes are stored', async () => {
    const seen: string[] = []
    const onProgress = (stage: string, done: number, total: number) =>
      void seen.push(`${stage} ${done}/${total}`)
    await registry.publish(sampleRequest('one'), { onProgress })
    expect(seen.slice(0, 2)).toEqual(['storing 11/21', 'storing 21/21'])
  })

  it('knows its own manifest when the first answer was lost', async () => {
    const ambiguous = interceptStore(store, {
      putIfAbsent: async (...args) => {
        await store.putIfAbsent(...args)
        return store.putIfAbsent(...args)
      },
    })
    const { version, created } = await openRegistry(ambiguous).publish(sampleRequest('one'))
    expect([version.version, created]).toEqual([1, true])
    expect(await registry.listVersions('intent')).toEqual([1])
  })

  it('puts back a blob that was collected just before the commit', async () => {
    await registry.publish(sampleRequest('one'))
    const collecting = interceptStore(store, {
      putIfAbsent: async (...args) => {
        for await (const { key } of store.list('blobs/')) await store.delete(key)
        return store.putIfAbsent(...args)
      },
    })
    const { version } = await openRegistry(collecting).publish(sampleRequest('one'))
    expect(await registry.readFile(version, 'head.bin', LIMIT)).toEqual(bytesOf('weights one'))
  })

  const bytes = new Uint8Array(1)
  const wrong: [string, Partial<PublishRequest>, string, string][] = [
    ['a traversal as name', { name: '../x' }, 'invalid_name', '../x'],
    ['a name with a slash', { name: 'a/b' }, 'invalid_name', 'a/b'],
    ['no files', { files: [] }, 'invalid_data', '1 to 64 files'],
    ['a path upwards', { files: [{ path: '../x', source: { bytes } }] }, 'invalid_data', 'path'],
    ['an absolute path', { files: [{ path: '/x', source: { bytes } }] }, 'invalid_data', 'path'],
    [
      'two paths that differ in case',
      { files: ['a', 'A'].map((path) => ({ path, source: { bytes } })) },
      'invalid_data',
      'same path',
    ],
    [
      'a file below a file',
      { files: ['a', 'a/b'].map((path) => ({ path, source: { bytes } })) },
      'invalid_data',
      'a/b lies below',
    ],
    [
      'a local file that is not there',
      { files: [{ path: 'a', source: { file: '/nonexistent/weights' } }] },
      'invalid_data',
      '/nonexistent/weights',
    ],
    ['a family that is no hash', { family: 'x' }, 'invalid_data', 'family'],
    ['a metric that is not finite', { metrics: { f1: Number.NaN } }, 'invalid_data', 'f1 is NaN'],
    ['a large card', { metadata: { x: 'x'.repeat(1_100_000) } }, 'invalid_data', '1048576'],
    ['an empty idempotency key', { idempotencyKey: '' }, 'invalid_data', 'idempotency key'],
  ]
  it.each(wrong)('refuses %s before anything is stored', async (_, changes, code, message) => {
    await expect(registry.publish(sampleRequest('', changes))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
    expect(await keys()).toEqual([])
  })

  it('keeps a name to one kind of model', async () => {
    await registry.publish(sampleRequest('one'))
    const encoder = sampleRequest('two', { kind: 'embedding' })
    await expect(registry.publish(encoder)).rejects.toMatchObject({
      code: 'wrong_model_kind',
      message: expect.stringContaining('intent@v1 is of kind classifier'),
    })
  })

  it('stops when aborted and leaves no version', async () => {
    const signal = AbortSignal.abort(new Error('left'))
    await expect(registry.publish(sampleRequest(''), { signal })).rejects.toThrow('left')
    expect(await registry.listModels()).toEqual([])
  })
})
