import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openBlobStore } from '../../../shared/registry/stores/open-store.ts'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import { parseS3Url } from '../../../shared/s3/url.ts'
import type { S3Answer, S3Request } from '../../fakes/fake-bucket.ts'
import { type FakeS3, type Fault, refuse, startFakeS3 } from '../../fakes/fake-s3.ts'
import { bytesOf, collect } from './scratch.ts'

const LIMIT = { maxBytes: 1024 }

describe('what the S3 store says', () => {
  let server: FakeS3
  let store: BlobStore
  beforeAll(async () => {
    server = await startFakeS3()
    store = await openS3Store(server.url('some'), server.options)
  })
  afterAll(async () => {
    await store.close()
    await server.close()
  })
  afterEach(() => vi.unstubAllEnvs())

  const wrongRegion = { 'x-amz-bucket-region': 'eu-west-1' }
  const cases: [string, Fault, string[]][] = [
    ['no bucket', refuse(404, 'NoSuchBucket'), ['no bucket fake-bucket', 'ESPALIER_REGISTRY']],
    [
      'another region',
      refuse(301, 'PermanentRedirect', wrongRegion),
      ['fake-bucket is in eu-west-1', 'us-east-1 was asked', 'AWS_REGION=eu-west-1', '?region='],
    ],
    [
      'another region, refused by the signature',
      refuse(400, 'AuthorizationHeaderMalformed', wrongRegion),
      ['AWS_REGION=eu-west-1'],
    ],
    ['another region that is not named', refuse(301, 'PermanentRedirect'), ['in another region']],
    ['expired credentials', refuse(400, 'ExpiredToken'), ['have expired', 'aws sso login']],
    ['an unknown key', refuse(403, 'InvalidAccessKeyId'), ['not valid', 'AWS_ACCESS_KEY_ID']],
    ['a wrong secret', refuse(403, 'SignatureDoesNotMatch'), ['not valid', 'AWS_SECRET']],
    ['a 404 that is not about the object', refuse(404, 'NoSuchUser'), ['what NoSuchUser means']],
    ['another refusal', refuse(400, 'InvalidArgument'), ['what InvalidArgument means']],
  ]
  it.each(cases)('of %s names the cause and the fix', async (_, fault, parts) => {
    server.script(fault)
    const failure = await store.get('a/b', LIMIT).catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'EspalierError', code: 'registry_unavailable' })
    const { message } = failure as Error
    for (const part of ['cannot read a/b in s3://fake-bucket/some', 'HTTP ', 'REQ123', ...parts]) {
      expect(message).toContain(part)
    }
  })

  it.each([
    [403, 'AccessDenied', 's3:GetObject on arn:aws:s3:::fake-bucket/some/a/b, and kms:Decrypt'],
    [403, 'InvalidObjectState', 'it is archived'],
    [400, 'KMS.DisabledException', 'kms:Decrypt'],
  ])('of one object that is kept from it (%i %s) blames that object alone', async (...given) => {
    const [status, code, part] = given
    const fault = refuse(status, code)
    const ask: (() => Promise<unknown>)[] = [
      () => store.get('a/b', LIMIT),
      () => store.download('a/b', '/nowhere', LIMIT),
    ]
    for (const act of ask) {
      server.script(fault)
      const failure = await act().catch((error: unknown) => error)
      expect(failure).toMatchObject({ name: 'EspalierError', code: 'object_unreadable' })
      for (const each of [
        'a/b in s3://fake-bucket/some',
        part,
        `HTTP ${status} ${code}`,
        'REQ123',
      ]) {
        expect((failure as Error).message).toContain(each)
      }
    }
    server.script(refuse(403, 'AccessDenied'))
    await expect(store.head('a/b')).rejects.toMatchObject({ code: 'object_unreadable' })
  })

  it('blames the store where it may not be listed either', async () => {
    server.script(refuse(403, 'AccessDenied'), refuse(403, 'AccessDenied'))
    await expect(store.get('a/b', LIMIT)).rejects.toMatchObject({
      code: 'registry_unavailable',
      message: expect.stringMatching(
        /access denied; allow s3:GetObject on arn:aws:s3:::fake-bucket\/some\/\*, and s3:ListBucket/,
      ),
    })
  })

  it('names what was to be done, and the right that it needs', async () => {
    const denied = refuse(403, 'AccessDenied')
    const body = bytesOf('x')
    const actions: [() => Promise<unknown>, string, string][] = [
      [() => store.put('k', body), 'write k', 's3:PutObject'],
      [() => store.putIfAbsent('k', body), 'create k', 's3:PutObject'],
      [() => store.putIfMatch('k', body, '"x"'), 'replace k', 's3:PutObject'],
      [() => store.head('k'), 'look up k', 's3:GetObject'],
      [() => store.download('k', '/nowhere', LIMIT), 'download k', 's3:GetObject'],
      [() => store.delete('k'), 'delete k', 's3:DeleteObject'],
      [
        () => collect(store.list('models/')),
        'list models/*',
        's3:ListBucket on arn:aws:s3:::fake-bucket,',
      ],
      [() => collect(store.list('')), 'list objects', 's3:ListBucket'],
    ]
    for (const [act, what, right] of actions) {
      // Where one object was refused, the store is asked whether it may be listed.
      server.script(denied, ...(right === 's3:GetObject' ? [denied] : []))
      const { message } = (await act().catch((error: unknown) => error)) as Error
      expect(message).toContain(`cannot ${what} in s3://`)
      expect(message).toContain(right)
    }
  })

  it('says that a refusal without a reason may be one of two things', async () => {
    server.script(refuse(400, 'ExpiredToken'))
    await expect(store.head('a')).rejects.toThrow(/expired credentials and a wrong region/)
  })

  it('corrects a wrong clock by the time of the answer', async () => {
    const tomorrow = new Date(Date.now() + 86_400_000).toUTCString()
    const before = server.requests.length
    server.script(refuse(403, 'RequestTimeTooSkewed', { date: tomorrow }))
    expect(await store.get('a', LIMIT)).toEqual({ status: 'missing' })
    expect(server.requests).toHaveLength(before + 2)
  })

  it('keeps to itself what S3 repeats of a wrongly signed request', async () => {
    const secret = 'session-token-of-somebody'
    server.script(({ send }) => {
      const xml = `<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><CanonicalRequest>x-amz-security-token:${secret}</CanonicalRequest></Error>`
      send({ status: 403, headers: { 'content-type': 'application/xml' }, body: Buffer.from(xml) })
    })
    const error: unknown = await store.get('a', LIMIT).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ cause: { name: 'SignatureDoesNotMatch' } })
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(secret)
  })

  it('doubts a server that leaves out what S3 sends', async () => {
    const without = (answer: S3Answer, name: string) => {
      const { [name]: _, ...headers } = answer.headers ?? {}
      return { ...answer, headers }
    }
    await store.put('a', bytesOf('x'))
    for (const name of ['etag', 'last-modified']) {
      server.script(({ perform, send }) => send(without(perform(), name)))
      await expect(store.head('a')).rejects.toThrow('is it an S3 server?')
    }
    const page = Buffer.from('<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>')
    server.script(({ send }) => send({ status: 200, body: page }))
    await expect(collect(store.list(''))).rejects.toThrow('the rest of a listing')
  })

  it('passes over what other tools leave in a bucket', async () => {
    for (const key of ['some/seen/', 'some/seen/Folder/', 'some/seen/a b', 'other/seen/x']) {
      const request: S3Request = {
        method: 'PUT',
        key,
        query: new URLSearchParams(),
        headers: {},
        body: Buffer.from('x'),
      }
      server.bucket.handle(request)
    }
    await store.put('seen/a', bytesOf('x'))
    expect((await collect(store.list('seen'))).map(({ key }) => key)).toEqual(['seen/a'])
  })

  it('asks for credentials where there are none', async () => {
    // What an empty chain of providers throws, without looking for a machine's role.
    const credentials = async () => {
      throw Object.assign(new Error('nowhere to be found'), { name: 'CredentialsProviderError' })
    }
    const open = await openS3Store(server.url(), { ...server.options, credentials })
    await expect(open.head('a')).rejects.toThrow(/no AWS credentials: nowhere.*AWS_PROFILE/)
  })

  it('finds the endpoint in the environment and asks it by path', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint.replace('127.0.0.1', 'localhost'))
    vi.stubEnv('AWS_REGION', undefined)
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent')
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
    const opened = await openBlobStore('s3://fake-bucket/env')
    await opened.put('a', bytesOf('x'))
    expect(server.bucket.objects.has('env/a')).toBe(true)
    await opened.close()
  })

  it('asks for a region where AWS itself is meant', async () => {
    for (const name of ['AWS_REGION', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3']) {
      vi.stubEnv(name, undefined)
    }
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent')
    await expect(openBlobStore('s3://fake-bucket')).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('set AWS_REGION'),
    })
  })
})

describe('parseS3Url', () => {
  it.each([
    ['s3://my-bucket', { bucket: 'my-bucket', prefix: '' }],
    ['s3://my-bucket/', { bucket: 'my-bucket', prefix: '' }],
    ['s3://my.bucket/team/models/', { bucket: 'my.bucket', prefix: 'team/models/' }],
    ['s3://my-bucket/Team?region=eu-west-1', { prefix: 'Team/', region: 'eu-west-1' }],
    [
      's3://my-bucket?endpoint=http://127.0.0.1:9000&path-style=false',
      { endpoint: 'http://127.0.0.1:9000', pathStyle: false },
    ],
  ])('reads %s', (url, expected) => {
    expect(parseS3Url(url)).toMatchObject(expected)
  })

  it.each([
    ['s3://', 'not a bucket name'],
    ['s3:bucket', 'expected s3://bucket/prefix'],
    ['s3://Bucket/x', '"Bucket" is not a bucket name'],
    ['s3://a', 'not a bucket name'],
    ['s3://my..bucket', 'not a bucket name'],
    ['s3://my-bucket/../x', 'prefix'],
    ['s3://my-bucket//x', 'prefix'],
    ['s3://my-bucket/a b', 'prefix'],
    [`s3://my-bucket/${'x'.repeat(501)}`, 'prefix'],
    ['s3://my-bucket#x', 'expected s3://bucket/prefix'],
    ['s3://my-bucket?regoin=x', '"regoin"; there are region, endpoint, path-style'],
    ['s3://my-bucket?region=EU West', 'not a region'],
    ['s3://my-bucket?endpoint=127.0.0.1:9000', 'the endpoint must be a URL'],
    ['s3://my-bucket?endpoint=ftp://host', 'the endpoint must be a URL'],
    ['s3://my-bucket?path-style=1', 'path-style is true or false'],
  ])('refuses %s', (url, message) => {
    expect(() => parseS3Url(url)).toThrow(message)
  })

  it.each(['s3://AKIA:topsecret@my-bucket/x', 's3://my-bucket?endpoint=http://u:topsecret@host'])(
    'refuses credentials in %s without repeating them',
    (url) => {
      expect(() => parseS3Url(url)).toThrow(/credentials do not belong into/)
      expect(() => parseS3Url(url)).not.toThrow(/topsecret/)
    },
  )
})
