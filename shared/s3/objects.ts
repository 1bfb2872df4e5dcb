import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { EspalierError, isEspalierError, restate } from '../lib/errors.ts'
import { connectToS3, type S3Connection, type S3StoreOptions } from './client.ts'
import { explainObjectFailure, isMissingObject, type ObjectPlace } from './errors.ts'
import { retryDelayMs, statusOf } from './retry.ts'
import { createObject, type ObjectSink } from './upload.ts'

/** An object as a listing names it. */
export interface ObjectEntry {
  readonly key: string
  readonly bytes: number
}

/** The objects of a bucket, by their keys. */
export interface S3Objects {
  readonly bucket: string
  /** What the URL's keys begin with: empty, or ending in a slash. */
  readonly prefix: string
  /** The size of an object; null where there is none. */
  head(key: string, signal: AbortSignal): Promise<{ readonly bytes: number } | null>
  /** Objects whose keys begin so, in the order in which S3 gives them. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<ObjectEntry>
  /** The bytes of an object, which must stay the same meanwhile; `onVersion` is told which version of it they are. */
  read(
    key: string,
    signal: AbortSignal | undefined,
    onVersion?: (id: string | undefined) => void,
  ): AsyncIterable<Uint8Array>
  /** `once` leaves it to S3 to refuse a second object of this key. */
  create(key: string, options: { readonly once: boolean; readonly signal: AbortSignal }): ObjectSink
  close(): void
}

/** An object is read in ranges of this size, one ahead: no connection waits while its rows are computed. */
const RANGE_BYTES = 8 * 1024 * 1024
/** What is handed on at a time. */
const CHUNK_BYTES = 256 * 1024
const MAX_READINGS = 4
/** A job outlives an outage that a request would not: requests in all, and the time after which none is sent again. */
const RETRY = { attempts: 12, budgetMs: 180_000 } as const

/**
 * Opens the objects that an `s3://` URL names, for jobs.
 * @throws EspalierError `invalid_request` for a URL that is none, and where no region is known
 */
export async function openS3Objects(url: string, options: S3StoreOptions = {}): Promise<S3Objects> {
  const connection = await connect(url, { retry: RETRY, ...options })
  const { bucket, prefix } = connection.location
  const place = { connection, url }
  return {
    bucket,
    prefix,
    head: (key, signal) => lookUp(place, key, signal),
    list: (below, signal) => listObjects(place, below, signal),
    read: (key, signal, onVersion) => readRanges(place, key, signal, onVersion),
    create: (key, created) => createObject(place, key, created),
    close: () => connection.client.destroy(),
  }
}

async function connect(url: string, options: S3StoreOptions): Promise<S3Connection> {
  try {
    return await connectToS3(url, options)
  } catch (error) {
    if (!isEspalierError(error, 'invalid_config')) throw error
    const place = { source: url.split('?')[0]! }
    throw restate(error, { code: 'invalid_request', place, param: undefined })
  }
}

async function lookUp(place: ObjectPlace, key: string, signal: AbortSignal | undefined) {
  const { client, location } = place.connection
  try {
    const command = new HeadObjectCommand({ Bucket: location.bucket, Key: key })
    const answer = await client.send(command, signal && { abortSignal: signal })
    const { ContentLength: bytes = 0, ETag: etag, VersionId: versionId } = answer
    return { bytes, etag, versionId }
  } catch (error) {
    if (isMissingObject(error)) return null
    throw explainObjectFailure(place, 'look up', key, error)
  }
}

async function* listObjects(
  place: ObjectPlace,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ObjectEntry> {
  const { client, location } = place.connection
  let token: string | undefined
  do {
    const command = new ListObjectsV2Command({
      Bucket: location.bucket,
      Prefix: prefix,
      ContinuationToken: token,
    })
    const answer = await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
      throw explainObjectFailure(place, 'list', prefix, error)
    })
    for (const { Key: key, Size: bytes = 0 } of answer.Contents ?? []) {
      if (key !== undefined) yield { key, bytes }
    }
    token = answer.IsTruncated === true ? answer.NextContinuationToken : undefined
  } while (token !== undefined)
}

async function* readRanges(
  place: ObjectPlace,
  key: string,
  signal: AbortSignal | undefined,
  onVersion?: (id: string | undefined) => void,
): AsyncGenerator<Uint8Array> {
  const found = await lookUp(place, key, signal)
  const name = `s3://${place.connection.location.bucket}/${key}`
  if (found === null) throw objectError(name, 'no such object')
  const { bytes, etag } = found
  onVersion?.(found.versionId)
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
      if (statusOf(error) === 412) throw objectError(key, 'changed while it was read')
      // The SDK repeats requests, and never bodies.
      const isBody = statusOf(error) === undefined
      if (!isBody || reading >= MAX_READINGS) throw explainObjectFailure(place, 'read', key, error)
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

/** What is wrong with an object as data. */
function objectError(name: string, message: string): EspalierError {
  return new EspalierError('invalid_data', `${name}: ${message}`, { param: name })
}
