import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import { errorAnswer, FakeBucket, type S3Answer, type S3Request } from '../../fakes/fake-bucket.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/fake-s3.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, useScratch } from './scratch.ts'

const scratch = useScratch()
const PROBE = 'blobs/conditional-writes.txt'
let server: FakeS3
let folder: string

/** A bucket behind a server that treats some requests in its own way. */
class OddBucket extends FakeBucket {
  readonly #odd: (request: S3Request) => S3Answer | S3Request

  constructor(odd: (request: S3Request) => S3Answer | S3Request) {
    super()
    this.#odd = odd
  }

  override handle(request: S3Request): S3Answer {
    const treated = this.#odd(request)
    return 'status' in treated ? treated : super.handle(treated)
  }
}

const isConditional = ({ method, headers }: S3Request) =>
  method === 'PUT' && (headers['if-none-match'] ?? headers['if-match']) !== undefined

async function start(odd?: (request: S3Request) => S3Answer | S3Request): Promise<void> {
  server = await startFakeS3(odd && new OddBucket(odd))
}

const open = () => openS3Store(server.url('reg'), { ...server.options, verdictFolder: folder })
const probes = () => server.requests.filter((line) => line === `PUT reg/${PROBE}`).length

beforeEach(async () => {
  folder = await scratch()
})
afterEach(() => server.close())

describe('a server that is not AWS', () => {
  it('is probed once, at the first write, and never again from this cache', async () => {
    await start()
    const store = await open()
    await store.get('a', { maxBytes: 10 })
    expect(probes()).toBe(0)
    await Promise.all([store.put('a', bytesOf('x')), store.putIfAbsent('b', bytesOf('y'))])
    expect(probes()).toBe(2)
    await (await open()).put('c', bytesOf('z'))
    expect(probes()).toBe(2)
    folder = await scratch()
    await (await open()).put('d', bytesOf('z'))
    // It lies there: the first refusal says enough.
    expect(probes()).toBe(3)
  })

  it('is refused where it ignores conditional writes, before anything else is written', async () => {
    await start((request) => {
      const { 'if-none-match': _, 'if-match': __, ...headers } = request.headers
      return isConditional(request) ? { ...request, headers } : request
    })
    for (let i = 0; i < 2; i++) {
      await expect(openRegistry(await open()).publish(sampleRequest('one'))).rejects.toMatchObject({
        code: 'invalid_config',
        message: expect.stringContaining(
          'ignores conditional writes (If-None-Match), so that two publishers would lose versions',
        ),
      })
    }
    expect([...server.bucket.objects.keys()]).toEqual([`reg/${PROBE}`])
  })

  it('is refused where it does not know them', async () => {
    await start((request) =>
      isConditional(request) ? errorAnswer(501, 'NotImplemented') : request,
    )
    await expect((await open()).put('a', bytesOf('x'))).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('refuses conditional writes'),
    })
  })

  it('says before work is done whether one may write there', async () => {
    await start((request) =>
      request.method === 'PUT' ? errorAnswer(403, 'AccessDenied') : request,
    )
    const registry = openRegistry(await open())
    await expect(registry.checkWritable('intent')).rejects.toMatchObject({
      code: 'registry_unavailable',
      message: expect.stringContaining('allow s3:PutObject'),
    })
  })
})

describe('a server that refuses x-amz-checksum headers', () => {
  it.each([
    [
      'InvalidArgument',
      400,
      "Unsupported header 'x-amz-checksum-crc32' received for this API call.",
    ],
    [
      'NotImplemented',
      501,
      "Header 'x-amz-sdk-checksum-algorithm' with value 'CRC32' not implemented",
    ],
  ])('is written to without them after %s', async (code, status, message) => {
    let refused = 0
    await start((request) => {
      const isChecked = Object.keys(request.headers).some((name) =>
        /^x-amz-(?:sdk-)?checksum-(?!mode)|^x-amz-trailer/.test(name),
      )
      if (!isChecked) return request
      refused++
      return errorAnswer(status, code, {}, message)
    })
    const registry = openRegistry(await open())
    await registry.publish(sampleRequest('one'))
    await registry.promote('intent', 1)
    expect(refused).toBe(1)
    expect((await registry.verify()).damages).toEqual([])
  })

  it('is not taken for one that says that a body was damaged on its way', async () => {
    await start((request) =>
      request.method === 'PUT'
        ? errorAnswer(400, 'BadDigest', {}, 'The x-amz-checksum-crc32 you gave did not match')
        : request,
    )
    const sent = (await open()).put('a', bytesOf('x'))
    await expect(sent).rejects.toMatchObject({ code: 'registry_unavailable' })
    expect(server.requests.filter((line) => line.startsWith('PUT'))).toHaveLength(1)
  })

  it('gets none at all where the environment says so', async () => {
    await start()
    process.env.AWS_REQUEST_CHECKSUM_CALCULATION = 'WHEN_REQUIRED'
    try {
      await (await open()).put('a', bytesOf('x'))
    } finally {
      delete process.env.AWS_REQUEST_CHECKSUM_CALCULATION
    }
    expect(server.bucket.objects.get('reg/a')?.checksums).toEqual({})
    await (await open()).put('b', bytesOf('x'))
    expect(server.bucket.objects.get('reg/b')?.checksums).toHaveProperty('x-amz-checksum-crc32')
  })
})
