import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import type { S3StoreOptions } from '../../../shared/s3/client.ts'
import {
  corruptBody,
  cutBody,
  type FakeS3,
  type Fault,
  hang,
  honest,
  loseAnswer,
  refuse,
  reset,
  stallBody,
  startFakeS3,
} from '../../fakes/fake-s3.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, collect, useScratch } from './scratch.ts'

const LIMIT = { maxBytes: 1024 * 1024 }
const MIB = 1024 * 1024

describe('S3 store in trouble', () => {
  const scratch = useScratch()
  let server: FakeS3
  let store: BlobStore
  beforeEach(async () => {
    server = await startFakeS3()
    store = await open()
  })
  afterEach(async () => {
    await store.close()
    await server.close()
  })
  const open = (options: S3StoreOptions = {}) =>
    openS3Store(server.url('p'), { ...server.options, ...options })
  const times = (count: number, fault: Fault) => Array.from({ length: count }, () => fault)
  const unavailable = (...parts: string[]) => ({
    code: 'registry_unavailable',
    message: expect.stringMatching(parts.map((part) => `(?=.*${part})`).join('')),
  })

  describe('requests', () => {
    it.each<[string, Fault]>([
      ['503 SlowDown', refuse(503, 'SlowDown')],
      ['500 InternalError', refuse(500, 'InternalError')],
      ['502', refuse(502, 'BadGateway')],
      ['429', refuse(429, 'TooManyRequests')],
      ['a connection that is reset', reset],
    ])('are sent again after %s', async (_, fault) => {
      await store.put('a', bytesOf('one'))
      server.script(fault, fault)
      expect(await store.get('a', LIMIT)).toMatchObject({ body: bytesOf('one') })
      server.script(fault)
      expect(await store.head('a')).toMatchObject({ bytes: 3 })
      server.script(fault)
      await store.put('b', bytesOf('two'))
      server.script(fault)
      expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['a', 'b'])
      server.script(fault)
      await store.delete('a')
      expect(await store.head('a')).toBeNull()
    })

    it('are given up after five, with everything that support asks for', async () => {
      server.script(...times(5, refuse(503, 'SlowDown')))
      await expect(store.get('models/x/state.json', LIMIT)).rejects.toMatchObject(
        unavailable(
          'cannot read models/x/state.json in s3://fake-bucket/p',
          'slow down',
          'HTTP 503 SlowDown, 5 attempts, request REQ123',
        ),
      )
      expect(server.requests).toHaveLength(5)
    })

    it('are not repeated where that cannot help', async () => {
      server.script(refuse(403, 'AccessDenied'), refuse(403, 'AccessDenied'))
      await expect(store.get('a', LIMIT)).rejects.toMatchObject(unavailable('access denied'))
      expect(server.requests).toEqual(['GET p/a', 'GET '])
    })

    it('wait longer each time, at random, and no longer than their budget', async () => {
      let draws = 0
      let now = 0
      const random = () => {
        draws++
        now += 10
        return 0
      }
      const clock = { wallMs: () => 0, monotonicMs: () => now }
      store = await open({ retry: { random, clock, attempts: 100, budgetMs: 25 } })
      server.script(...times(10, refuse(500, 'InternalError')))
      await expect(store.head('a')).rejects.toMatchObject(unavailable('4 attempts'))
      expect(draws).toBe(3)
    })

    it.each<[string, Fault]>([
      ['hangs', hang],
      ['stalls in the middle of the body', stallBody(2)],
    ])('are cut off where the server %s', async (_, fault) => {
      store = await open({
        // Longer than an answer takes on a busy machine.
        requestTimeoutMs: 300,
        idleTimeoutMs: 300,
        retry: { baseDelayMs: 1, attempts: 2 },
      })
      await store.put('a', bytesOf('whole'))
      server.script(fault)
      expect(await store.get('a', LIMIT)).toMatchObject({ body: bytesOf('whole') })
      server.script(...times(3, fault))
      await expect(store.get('a', LIMIT)).rejects.toMatchObject(unavailable('cannot read a'))
    })

    it('say that nobody answers', async () => {
      await server.close()
      await expect(store.head('a')).rejects.toMatchObject(
        unavailable('cannot look up a', 'no answer: .*ECONNREFUSED', '5 attempts'),
      )
    })
  })

  describe('conditional writes', () => {
    it('are sent again after 409, which decides nothing', async () => {
      server.script(...times(2, refuse(409, 'ConditionalRequestConflict')))
      const created = await store.putIfAbsent('a', bytesOf('one'))
      expect(created.status).toBe('created')
      server.script(refuse(409, 'ConditionalRequestConflict'))
      const etag = created.status === 'created' ? created.etag : ''
      expect((await store.putIfMatch('a', bytesOf('two'), etag)).status).toBe('replaced')
      server.script(...times(5, refuse(409, 'ConditionalRequestConflict')))
      await expect(store.putIfAbsent('b', bytesOf('x'))).rejects.toMatchObject(
        unavailable('cannot create b', 'HTTP 409'),
      )
    })

    it('whose answer is lost count as lost, so that the caller compares', async () => {
      server.script(loseAnswer(500, 'InternalError'))
      expect(await store.putIfAbsent('a', bytesOf('one'))).toEqual({ status: 'exists' })
      const { etag } = (await store.head('a'))!
      server.script(loseAnswer(500, 'InternalError'))
      expect(await store.putIfMatch('a', bytesOf('two'), etag)).toEqual({ status: 'changed' })
      expect(await store.get('a', LIMIT)).toMatchObject({ body: bytesOf('two') })
    })

    it('whose answer is lost publish one version and promote once', async () => {
      const registry = openRegistry(store)
      const onWrite =
        (part: string, fault: Fault): Fault =>
        (exchange) => {
          const { method, key } = exchange.request
          const hit = method === 'PUT' && key.includes(part)
          if (!hit) server.script(onWrite(part, fault))
          return (hit ? fault : honest)(exchange)
        }
      server.script(onWrite('/versions/', loseAnswer(500, 'InternalError')))
      const { version, created } = await registry.publish(sampleRequest('one'))
      expect([version.version, created]).toEqual([1, true])
      server.script(onWrite('/state.json', loseAnswer(500, 'InternalError')))
      expect(await registry.promote('intent', 1)).toMatchObject({ revision: 1 })
      expect(await registry.listVersions('intent')).toEqual([1])
      const [{ state } = { state: null }] = await registry.listModels()
      expect(state).toMatchObject({ revision: 1, aliases: { champion: 1 } })
      expect(state?.history).toHaveLength(1)
    })

    it('of large bodies are looked up first, not sent to be refused', async () => {
      const body = randomBytes(MIB)
      await store.put('a', body)
      await store.put('a', body)
      expect(server.requests).toEqual(['HEAD p/a', 'PUT p/a', 'HEAD p/a', 'PUT p/a'])
    })

    it('whose refusal is lost with its connection are written over what another wrote', async () => {
      const another = await open()
      const body = randomBytes(MIB)
      const refuseAndCut: Fault = async (exchange) => {
        server.script(honest, ...times(4, reset))
        await another.put('a', bytesOf('of another'))
        return reset(exchange)
      }
      server.script(honest, refuseAndCut)
      await store.put('a', body)
      expect(server.bucket.objects.get('p/a')?.body.equals(body)).toBe(true)
      await another.close()
    })

    it('whose connection is cut again and again are given up where nobody wrote', async () => {
      server.script(honest, ...times(5, reset))
      await expect(store.put('a', randomBytes(MIB))).rejects.toMatchObject(
        unavailable('cannot write a', '5 attempts'),
      )
      expect(server.requests.filter((line) => line === 'PUT p/a')).toHaveLength(5)
    })

    it('tell a missing object also where the server answers 412', async () => {
      server.script(refuse(412, 'PreconditionFailed'))
      expect(await store.putIfMatch('a', bytesOf('x'), '"x"')).toEqual({ status: 'missing' })
    })
  })

  describe('bodies', () => {
    const content = randomBytes(3 * MIB)
    const sha256 = createHash('sha256').update(content).digest('hex')
    let folder: string
    let path: string
    beforeEach(async () => {
      folder = await scratch()
      path = join(folder, 'file')
      await store.put('blob', content, { sha256 })
    })
    const limits = { maxBytes: content.length }

    it.each<[string, Fault]>([
      ['cut', cutBody(MIB)],
      ['corrupt', corruptBody],
    ])('are read anew where they are %s', async (_, fault) => {
      server.script(fault, fault)
      const found = await store.get('blob', limits)
      expect(found.status === 'found' && content.equals(found.body)).toBe(true)
      for (const expected of [sha256, undefined]) {
        server.script(fault, fault)
        const to = join(folder, `file-${expected}`)
        const got = await store.download('blob', to, { ...limits, sha256: expected })
        expect(got).toEqual({ bytes: content.length, sha256 })
        expect(content.equals(await readFile(to))).toBe(true)
      }
    })

    it.each<[string, Fault, string]>([
      ['cut', cutBody(MIB), 'broke off'],
      ['corrupt', corruptBody, 'Checksum mismatch'],
    ])('that stay %s are an error and leave no file', async (_, fault, why) => {
      server.script(...times(3, fault))
      await expect(store.get('blob', limits)).rejects.toMatchObject(unavailable(why))
      server.script(...times(3, fault))
      await expect(store.download('blob', path, limits)).rejects.toMatchObject(
        unavailable('cannot download blob', why),
      )
      expect(await readdir(folder)).toEqual([])
    })

    it('of another hash at rest are reported as they are', async () => {
      const got = await store.download('blob', path, { ...limits, sha256: '0'.repeat(64) })
      expect(got).toEqual({ bytes: content.length, sha256 })
      expect(server.requests.filter((line) => line === 'GET p/blob')).toHaveLength(3)
    })

    it('over their bound are not read', async () => {
      const bound = { maxBytes: content.length - 1 }
      const refused = { code: 'artifact_corrupt', message: expect.stringContaining('blob') }
      await expect(store.get('blob', bound)).rejects.toMatchObject(refused)
      await expect(store.download('blob', path, bound)).rejects.toMatchObject(refused)
      expect(existsSync(path)).toBe(false)
    })

    it('are left in the middle when the caller leaves, without a file', async () => {
      const reason = new Error('left')
      const leaving = new AbortController()
      server.script(stallBody(MIB, () => leaving.abort(reason)))
      const options = { ...limits, signal: leaving.signal }
      await expect(store.download('blob', path, options)).rejects.toBe(reason)
      expect(await readdir(folder)).toEqual([])
    })

    it('do not fill a disk that cannot take them', async () => {
      const nowhere = join(folder, 'missing', 'file')
      await expect(store.download('blob', nowhere, limits)).rejects.toMatchObject(
        unavailable('cannot download blob', 'ENOENT'),
      )
    })
  })

  it('leaves a request that is under way when its caller leaves', async () => {
    const reason = new Error('left')
    const leaving = new AbortController()
    server.script(() => leaving.abort(reason))
    await expect(store.head('a', { signal: leaving.signal })).rejects.toBe(reason)
    const pausing = new AbortController()
    store = await open({ retry: { baseDelayMs: 60_000, random: () => 1 } })
    server.script((exchange) => {
      refuse(503, 'SlowDown')(exchange)
      pausing.abort(reason)
    })
    await expect(store.head('a', { signal: pausing.signal })).rejects.toBe(reason)
  })

  describe('uploads in parts', () => {
    const content = randomBytes(13 * MIB)
    const sha256 = createHash('sha256').update(content).digest('hex')
    let path: string
    beforeEach(async () => {
      path = join(await scratch(), 'file')
      await writeFile(path, content)
      store = await open({ partBytes: 5 * MIB })
    })
    const stored = () => server.bucket.objects.get('p/blob')?.body

    it('arrive whole, also where parts fail for a moment', async () => {
      server.script(honest, refuse(500, 'InternalError'), reset, refuse(503, 'SlowDown'))
      await store.upload('blob', path, { sha256 })
      expect(stored()?.equals(content)).toBe(true)
      expect(server.bucket.uploads.size).toBe(0)
    })

    it('begin anew where the completion was lost or met another', async () => {
      server.script(...times(4, honest), loseAnswer(500, 'InternalError'))
      await store.upload('blob', path, { sha256 })
      server.script(...times(4, honest), ...times(5, refuse(409, 'ConditionalRequestConflict')))
      await store.upload('blob', path, { sha256 })
      expect(stored()?.equals(content)).toBe(true)
      expect(server.bucket.uploads.size).toBe(0)
    })

    it('leave nothing where the file has another hash', async () => {
      const wrong = { sha256: '0'.repeat(64) }
      await expect(store.upload('blob', path, wrong)).rejects.toMatchObject({
        code: 'artifact_corrupt',
        message: expect.stringContaining(sha256),
      })
      expect(stored()).toBeUndefined()
      expect(server.bucket.uploads.size).toBe(0)
    })

    it('leave nothing when the caller leaves', async () => {
      const reason = new Error('left')
      const leaving = new AbortController()
      server.script(honest, () => leaving.abort(reason))
      await expect(store.upload('blob', path, { sha256, signal: leaving.signal })).rejects.toBe(
        reason,
      )
      expect(stored()).toBeUndefined()
      expect(server.bucket.uploads.size).toBe(0)
    })
  })
})
