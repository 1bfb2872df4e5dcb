import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBulkObjects } from '../../../shared/bulk/open-place.ts'
import type { BulkPlace } from '../../../shared/bulk/place.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'
import {
  cutBody,
  type FakeS3,
  loseAnswer,
  refuse,
  reset,
  startFakeS3,
} from '../../fakes/fake-s3.ts'

const MIB = 1 << 20
const { signal } = new AbortController()
let s3: FakeS3
let place: BulkPlace
beforeEach(async () => {
  s3 = await startFakeS3()
  const retry = { baseDelayMs: 1, attempts: 4 }
  // The smallest parts that S3 takes.
  place = await openBulkObjects(s3.url('job'), undefined, { ...s3.options, retry, partBytes: 1 })
})
afterEach(async () => {
  await place.close()
  await s3.close()
})

/** Numbers that repeat nowhere near a part's length. */
function pattern(bytes: number): Buffer {
  const out = Buffer.alloc(bytes)
  for (let i = 0; i < bytes; i += 4) out.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i)
  return out
}

async function write(name: string, body: Buffer, once = true): Promise<'created' | 'exists'> {
  const sink = await place.create(name, { once, signal })
  try {
    for (let at = 0; at < body.length; at += MIB + 4)
      await sink.write(body.subarray(at, at + MIB + 4))
    return await sink.commit()
  } finally {
    await sink.discard()
  }
}

const stored = (key: string): Buffer | undefined => s3.bucket.objects.get(`job/${key}`)?.body
const digest = (body: Uint8Array | undefined): string =>
  createHash('sha256')
    .update(body ?? '')
    .digest('hex')

async function read(name: string, bytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of place.open({ name, bytes }).open(signal))
    chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

describe('results on S3', () => {
  it.each([0, 4, 5 * MIB, 5 * MIB + 4, 17 * MIB])('appear whole: %i bytes', async (bytes) => {
    const body = pattern(bytes)
    expect(await write('a/b.npy', body)).toBe('created')
    expect(digest(stored('a/b.npy'))).toBe(digest(body))
    expect(s3.bucket.uploads.size).toBe(0)
  })

  it.each([2_000, 12 * MIB])('take a header at the end: %i bytes', async (bytes) => {
    const body = pattern(bytes)
    const sink = await place.create('x.npy', { once: true, signal })
    await sink.write(Buffer.alloc(128))
    await sink.write(body)
    await sink.patch(Buffer.from('header'), 0)
    await sink.commit()
    const found = stored('x.npy')!
    expect(found.toString('latin1', 0, 6)).toBe('header')
    expect(digest(found.subarray(128))).toBe(digest(body))
  })

  it.each([100, 12 * MIB])('are made once, whoever comes second: %i bytes', async (bytes) => {
    const first = pattern(bytes)
    expect(await write('x.jsonl', first)).toBe('created')
    expect(await write('x.jsonl', Buffer.alloc(bytes))).toBe('exists')
    expect(digest(stored('x.jsonl'))).toBe(digest(first))
    expect(s3.bucket.uploads.size).toBe(0)
    expect(await write('x.jsonl', Buffer.alloc(bytes), false)).toBe('created')
    expect(digest(stored('x.jsonl'))).toBe(digest(Buffer.alloc(bytes)))
  })

  it('leave no parts where they are dropped', async () => {
    const sink = await place.create('x.jsonl', { once: true, signal })
    await sink.write(pattern(12 * MIB))
    await sink.discard()
    expect([s3.bucket.objects.size, s3.bucket.uploads.size]).toEqual([0, 0])
  })

  it('survive throttling, cut connections and lost answers', async () => {
    const body = pattern(12 * MIB)
    const slow = refuse(503, 'SlowDown')
    s3.script(slow, reset, refuse(500, 'InternalError'))
    expect(await write('a.jsonl', body)).toBe('created')
    expect(digest(stored('a.jsonl'))).toBe(digest(body))
    s3.script(loseAnswer(500, 'InternalError'))
    // It was written, the answer was lost, and the next try finds it: no harm, the rows are the same.
    expect(await write('b.jsonl', Buffer.from('small'))).toBe('exists')
    expect(stored('b.jsonl')?.toString()).toBe('small')
  })

  it('say in the end that S3 is away', async () => {
    s3.script(...Array.from({ length: 4 }, () => refuse(503, 'SlowDown')))
    const failed = await write('a.jsonl', Buffer.from('x')).catch((error: unknown) => error)
    expect(isEspalierError(failed, 'registry_unavailable')).toBe(true)
    const url = s3.url('job').split('?')[0]
    expect(String(failed)).toContain(`cannot write job/a.jsonl in ${url}: S3 asks to slow down`)
    expect(String(failed)).toContain('4 attempts')
    expect(s3.bucket.objects.size).toBe(0)
  })
})

describe('shards on S3', () => {
  it('are listed over pages, and read in ranges', async () => {
    const body = pattern(17 * MIB)
    await write('in/b.jsonl', body)
    for (const name of ['in/a.csv', 'in/c/d.txt', 'other.csv']) await write(name, Buffer.from('x'))
    const from = await openBulkObjects(s3.url('job/in'), undefined, s3.options)
    expect((await from.list(signal)).map(({ name }) => name)).toEqual([
      'a.csv',
      'b.jsonl',
      'c/d.txt',
    ])
    await from.close()
    expect(digest(await read('in/b.jsonl', 0))).toBe(digest(body))
    expect(s3.requests.filter((line) => line === 'GET job/in/b.jsonl')).toHaveLength(3)
    expect(place.open({ name: 'in/b.jsonl', bytes: 0 })).toMatchObject({ format: 'jsonl' })
  })

  it('may be a single object', async () => {
    await write('one.csv', Buffer.from('text\nx\n'))
    const one = await openBulkObjects(s3.url('job/one.csv'), undefined, s3.options)
    const files = await one.list(signal)
    expect(files).toEqual([{ name: 'one.csv', bytes: 7 }])
    expect(one.open(files[0]!)).toMatchObject({ name: 's3://fake-bucket/job/one.csv' })
    await one.close()
  })

  it('are read to their end over broken bodies, and never half from another', async () => {
    const body = pattern(9 * MIB)
    await write('b.jsonl', body)
    const honestHead = ({ perform, send }: Parameters<typeof reset>[0]) => send(perform())
    s3.script(honestHead, cutBody(1_000), reset, refuse(503, 'SlowDown'))
    expect(digest(await read('b.jsonl', 0))).toBe(digest(body))
    const rows = place.open({ name: 'b.jsonl', bytes: 0 }).open(signal)[Symbol.asyncIterator]()
    s3.script(honestHead, honestHead, refuse(412, 'PreconditionFailed'))
    await expect(
      (async () => {
        for (let done = false; !done; ) done = (await rows.next()).done === true
      })(),
    ).rejects.toThrow('changed while it was read')
  })

  it('are missed in clear words', async () => {
    await expect(read('none.jsonl', 0)).rejects.toThrow(
      's3://fake-bucket/job/none.jsonl: no such object',
    )
    const wrong = s3.url().replace('fake-bucket', 'other-bucket')
    const other = await openBulkObjects(wrong, undefined, s3.options)
    await expect(other.list(signal)).rejects.toThrow(
      'there is no bucket other-bucket; create it, or correct the URL',
    )
    await other.close()
  })
})
