import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { dataError } from '../dataset/data-error.ts'
import { formatFromName } from '../dataset/source.ts'
import type { DataFormat } from '../dataset/types.ts'
import { EspalierError, isEspalierError } from '../lib/errors.ts'
import { connectToS3, type S3Connection, type S3StoreOptions } from '../s3/client.ts'
import { isMissingObject } from '../s3/errors.ts'
import { retryDelayMs, statusOf } from '../s3/retry.ts'
import { explain, type ObjectPlace } from './objects-errors.ts'
import { createObject } from './objects-write.ts'
import { type BulkFile, type BulkPlace, MAX_FILES, MAX_TEXT_BYTES } from './place.ts'

/** An object is read in ranges of this size, one ahead: no connection waits while its rows are computed. */
const RANGE_BYTES = 8 * 1024 * 1024
/** What is handed on at a time. */
const CHUNK_BYTES = 256 * 1024
const MAX_READINGS = 4
/** A job outlives an outage that a request would not: requests in all, and the time after which none is sent again. */
const RETRY = { attempts: 12, budgetMs: 180_000 } as const

/** Opens a prefix on S3, or a single object whose name has the extension of rows. */
export async function openBulkObjects(
  url: string,
  format: DataFormat | undefined,
  options: S3StoreOptions = {},
): Promise<BulkPlace> {
  const connection = await connect(url, { retry: RETRY, ...options })
  const { client, location } = connection
  const { bucket, prefix } = location
  const place = { connection, url }
  const single = prefix.slice(0, -1)
  let isSingle = false
  return {
    url,
    async list(signal) {
      if (single !== '' && hasExtension(single)) {
        const found = await lookUp(place, single, signal)
        isSingle = found !== null
        if (found !== null) {
          return [{ name: single.slice(single.lastIndexOf('/') + 1), bytes: found.bytes }]
        }
      }
      return listObjects(place, prefix, signal)
    },
    open(file) {
      const key = isSingle ? single : prefix + file.name
      const name = `s3://${bucket}/${key}`
      return {
        name,
        format: format ?? formatFromName(file.name),
        repeatable: true,
        open: (signal) => readRanges(place, key, name, signal),
      }
    },
    has: async (name, signal) => (await lookUp(place, prefix + name, signal)) !== null,
    readText: (name, signal) => readText(place, prefix + name, signal),
    async createText(name, text, signal) {
      const sink = await createObject(place, prefix + name, { once: true, signal })
      await sink.write(Buffer.from(text))
      return sink.commit()
    },
    create: (name, created) => createObject(place, prefix + name, created),
    async close() {
      client.destroy()
    },
  }
}

async function connect(url: string, options: S3StoreOptions): Promise<S3Connection> {
  try {
    return await connectToS3(url, options)
  } catch (error) {
    if (!isEspalierError(error, 'invalid_config')) throw error
    const message = error.message.replace('registry on S3', url.split('?')[0]!)
    throw new EspalierError('invalid_request', message, { cause: error })
  }
}

function hasExtension(key: string): boolean {
  return /\.(csv|tsv|tab|jsonl|ndjson|txt)$/i.test(key)
}

async function lookUp(place: ObjectPlace, key: string, signal: AbortSignal | undefined) {
  const { client, location } = place.connection
  try {
    const command = new HeadObjectCommand({ Bucket: location.bucket, Key: key })
    const answer = await client.send(command, signal && { abortSignal: signal })
    return { bytes: answer.ContentLength ?? 0, etag: answer.ETag }
  } catch (error) {
    if (isMissingObject(error)) return null
    throw explain(place, 'look up', key, error)
  }
}

async function listObjects(
  place: ObjectPlace,
  prefix: string,
  signal: AbortSignal,
): Promise<BulkFile[]> {
  const { client, location } = place.connection
  const files: BulkFile[] = []
  let token: string | undefined
  do {
    const command = new ListObjectsV2Command({
      Bucket: location.bucket,
      Prefix: prefix,
      ContinuationToken: token,
    })
    const answer = await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
      throw explain(place, 'list', prefix, error)
    })
    for (const { Key: key, Size: bytes = 0 } of answer.Contents ?? []) {
      if (key === undefined || key === prefix || key.endsWith('/')) continue
      if (files.length === MAX_FILES) {
        throw dataError(place.url, null, `more than ${MAX_FILES} files`)
      }
      files.push({ name: key.slice(prefix.length), bytes })
    }
    token = answer.IsTruncated === true ? answer.NextContinuationToken : undefined
  } while (token !== undefined)
  return files.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function readText(
  place: ObjectPlace,
  key: string,
  signal: AbortSignal,
): Promise<string | null> {
  const found = await lookUp(place, key, signal)
  if (found === null) return null
  if (found.bytes > MAX_TEXT_BYTES) {
    throw dataError(`s3://${place.connection.location.bucket}/${key}`, null, 'not ours: too large')
  }
  if (found.bytes === 0) return ''
  const bytes = await readRange(place, key, { from: 0, to: found.bytes - 1, signal })
  return Buffer.from(bytes).toString('utf8')
}

/** The bytes of an object, which must stay the same meanwhile. */
async function* readRanges(
  place: ObjectPlace,
  key: string,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const found = await lookUp(place, key, signal)
  if (found === null) throw dataError(name, null, 'no such object')
  const { bytes, etag } = found
  const start = (from: number): Promise<Uint8Array> | null => {
    if (from >= bytes) return null
    const to = Math.min(from + RANGE_BYTES, bytes) - 1
    const range = readRange(place, key, { from, to, etag, signal })
    // Awaited in its turn; until then a failure must not count as unhandled.
    range.catch(() => {})
    return range
  }
  let next = start(0)
  for (let at = 0; next !== null; at += RANGE_BYTES) {
    const current: Uint8Array = await next
    next = start(at + RANGE_BYTES)
    for (let from = 0; from < current.length; from += CHUNK_BYTES) {
      yield current.subarray(from, from + CHUNK_BYTES)
    }
  }
}

async function readRange(
  place: ObjectPlace,
  key: string,
  range: {
    readonly from: number
    readonly to: number
    readonly etag?: string | undefined
    readonly signal: AbortSignal | undefined
  },
): Promise<Uint8Array> {
  const { connection } = place
  const { from, to, etag, signal } = range
  for (let reading = 1; ; reading++) {
    try {
      const command = new GetObjectCommand({
        Bucket: connection.location.bucket,
        Key: key,
        Range: `bytes=${from}-${to}`,
        ...(etag !== undefined && { IfMatch: etag }),
      })
      const answer = await connection.client.send(command, signal && { abortSignal: signal })
      const bytes = await readWhole(answer.Body as Readable)
      if (bytes.length === to - from + 1) return bytes
      throw new Error(`the body has ${bytes.length} bytes instead of ${to - from + 1}`)
    } catch (error) {
      signal?.throwIfAborted()
      if (statusOf(error) === 412) throw dataError(key, null, 'changed while it was read')
      // The SDK repeats requests, and never bodies.
      const isBody = statusOf(error) === undefined
      if (!isBody || reading >= MAX_READINGS) throw explain(place, 'read', key, error)
      await sleep(retryDelayMs(connection.retry, reading), undefined, signal && { signal })
    }
  }
}

async function readWhole(body: Readable): Promise<Uint8Array> {
  // A body that fails while nobody reads it would take the process down.
  body.on('error', () => {})
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of body) chunks.push(chunk as Uint8Array)
    return Buffer.concat(chunks)
  } finally {
    body.destroy()
  }
}
