import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { isEspalierError } from '../../../shared/lib/errors.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { openBlobStore } from '../../../shared/registry/stores/open-store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, useScratch } from './scratch.ts'

const MANIFEST = 'models/intent/versions/1.json'
const STATE = 'models/intent/state.json'

describe('records that are not as they should be', () => {
  let store: BlobStore
  let registry: Registry
  const originals = new Map<string, Uint8Array>()
  beforeAll(async () => {
    store = openMemoryStore()
    registry = openRegistry(store)
    await registry.publish(sampleRequest('one'))
    await registry.promote('intent', 1)
    for (const key of [MANIFEST, STATE, 'index.json']) {
      const found = await store.get(key, { maxBytes: 1024 * 1024 })
      if (found.status === 'found') originals.set(key, found.body)
    }
  })
  const read = async (key: string) => {
    if (key === MANIFEST) return registry.getVersion('intent', 1)
    return key === STATE ? registry.readState('intent') : registry.readIndex()
  }
  const write = async (key: string, change: (record: Record<string, unknown>) => void) => {
    const record = JSON.parse(new TextDecoder().decode(originals.get(key)))
    change(record)
    await store.put(key, bytesOf(JSON.stringify(record)))
  }

  it.each([MANIFEST, STATE, 'index.json'])(
    'refuses a newer schema of %s by number',
    async (key) => {
      await write(key, (record) => {
        record.schema = 7
        record.files = 'of another form'
      })
      await expect(read(key)).rejects.toMatchObject({
        code: 'unsupported_schema',
        message: expect.stringMatching(new RegExp(`${key}.*schema 7.*up to 1`)),
      })
    },
  )

  it('refuses every truncation and random mutation, or reads a valid record', async () => {
    const change = fc.oneof(
      fc.record({ cut: fc.nat({ max: 2_000 }) }),
      fc.record({ at: fc.nat({ max: 2_000 }), byte: fc.nat({ max: 255 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...originals.keys()), change, async (key, mutation) => {
        let body = originals.get(key)!.slice()
        if ('cut' in mutation) body = body.slice(0, mutation.cut % body.length)
        else body[mutation.at % body.length] = mutation.byte
        await store.put(key, body)
        try {
          await read(key)
        } catch (error) {
          expect(
            isEspalierError(error, 'artifact_corrupt') ||
              isEspalierError(error, 'unsupported_schema'),
          ).toBe(true)
          expect((error as Error).message).toContain(key)
        }
        await store.put(key, originals.get(key)!)
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['another number', (record: Record<string, unknown>) => (record.version = 2), 'intent@v2'],
    ['another name', (record: Record<string, unknown>) => (record.name = 'topic'), 'topic@v1'],
    ['no files', (record: Record<string, unknown>) => (record.files = []), 'files'],
    [
      'a path that leaves its folder',
      (record: Record<string, unknown>) => {
        record.files = [{ path: '../../x', sha256: 'a'.repeat(64), bytes: 1 }]
      },
      'files[0].path',
    ],
    [
      'a hash that is a path',
      (record: Record<string, unknown>) => {
        record.files = [{ path: 'x', sha256: '../../../etc/passwd', bytes: 1 }]
      },
      'files[0].sha256',
    ],
  ])('refuses a manifest with %s', async (_, change, message) => {
    await write(MANIFEST, change)
    await expect(read(MANIFEST)).rejects.toMatchObject({
      code: 'artifact_corrupt',
      message: expect.stringContaining(message),
    })
  })

  it('bounds what it reads', async () => {
    await store.put(MANIFEST, new Uint8Array(1024 * 1024 + 1))
    await expect(read(MANIFEST)).rejects.toMatchObject({ code: 'artifact_corrupt' })
    await store.put(MANIFEST, bytesOf('['.repeat(500_000)))
    await expect(read(MANIFEST)).rejects.toMatchObject({
      code: 'artifact_corrupt',
      message: expect.stringContaining('64 levels'),
    })
    await store.put(MANIFEST, originals.get(MANIFEST)!)
  })

  it('publishes past a manifest that cannot be read', async () => {
    await store.put(MANIFEST, bytesOf('{"sche'))
    expect((await registry.publish(sampleRequest('two'))).version.version).toBe(2)
  })
})

describe('openBlobStore', () => {
  const scratch = useScratch()

  it('opens folders, relative and absolute, and memory', async () => {
    const cwd = await scratch()
    const relative = await openBlobStore('file:./registry', { cwd })
    await relative.put('a', bytesOf('x'))
    const absolute = await openBlobStore(`file://${cwd}/registry`)
    expect(await absolute.head('a')).toMatchObject({ bytes: 1 })
    expect(await (await openBlobStore(`file:${cwd}/registry`)).head('a')).not.toBeNull()
    expect(relative.url).toBe('file:./registry')
    expect(await (await openBlobStore('memory:')).head('a')).toBeNull()
  })

  it.each([
    ['s3://Bucket/prefix', '"Bucket" is not a bucket name'],
    ['file:', 'expected file:./registry, s3://bucket/prefix or memory:'],
    ['file://host/x', 'three slashes'],
    ['./registry', 'expected file:./registry, s3'],
    ['', 'expected file:./registry, s3'],
  ])('refuses %j', async (url, message) => {
    await expect(openBlobStore(url)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining(message),
    })
  })
})
