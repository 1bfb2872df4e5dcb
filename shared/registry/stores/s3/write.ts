import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3'
import { withChecksums } from '../../../s3/checksums.ts'
import type { S3Connection } from '../../../s3/client.ts'
import { statusOf } from '../../../s3/retry.ts'
import { type BlobOptions, hashMismatchError, type PutOptions } from '../blob-store.ts'
import { hashBytes, readChunks } from '../transfer.ts'

/** A connection slower than this, in bytes per millisecond, is given up: 2 Mbit/s. */
const SLOWEST_BYTES_PER_MS = 250
/** Beginnings of one upload in parts: the last request may find it gone, or another one under way. */
const MAX_UPLOADS = 3

/** Writes over one object before giving up: each one lost means that another wrote it meanwhile. */
const MAX_OVERWRITES = 5
/** Larger bodies are sent when it is known what they write over, so that they are seldom sent to be refused. */
const MAX_BLIND_BYTES = 64 * 1024
/** How a connection ends that the server cuts while a body is sent. */
const CUT_CODES = ['ECONNRESET', 'EPIPE']

/** The condition of a write. */
export type WriteCondition = Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'>

/**
 * Writes whatever is there, and yet under a condition: a bucket may deny writes that do not say what they write over,
 * nothing or one object. Tried again where that changes meanwhile.
 */
export async function writeOver(
  write: (condition: WriteCondition) => Promise<unknown>,
  findTag: () => Promise<string | null>,
  bytes: number,
): Promise<void> {
  let tag = bytes > MAX_BLIND_BYTES ? await findTag() : null
  for (let attempt = 1; ; attempt++) {
    try {
      await write(tag === null ? { IfNoneMatch: '*' } : { IfMatch: tag })
      return
    } catch (error) {
      const status = statusOf(error)
      const isRefused = status === 412 || (status === 404 && tag !== null)
      if (!(isRefused || isCut(error)) || attempt >= MAX_OVERWRITES) throw error
      const found = await findTag()
      // A server that refuses before it has read the body may cut the connection, and its answer is lost.
      if (!isRefused && found === tag) throw error
      tag = found
    }
  }
}

function isCut(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: string }
  return statusOf(error) === undefined && code !== undefined && CUT_CODES.includes(code)
}

/** Sends a body in one request. Never a stream: one that fails takes the process down with it. */
export async function putObject(
  connection: S3Connection,
  key: string,
  body: Uint8Array,
  options: BlobOptions & { readonly condition?: WriteCondition } = {},
): Promise<PutObjectCommandOutput> {
  const { location } = connection
  const { condition, signal } = options
  const input = {
    Bucket: location.bucket,
    Key: location.prefix + key,
    Body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    ...condition,
  }
  return withChecksums(connection, () => {
    const command = new PutObjectCommand(input)
    return connection.client.send(command, sendOptions(connection, body.byteLength, signal))
  })
}

/** @throws EspalierError `artifact_corrupt` for a body with another hash */
export function checkBody(key: string, body: Uint8Array, expected: string | undefined): void {
  if (expected === undefined) return
  const found = hashBytes(body)
  if (found !== expected)
    throw hashMismatchError(`what was to be stored as ${key}`, expected, found)
}

/**
 * Sends a local file in parts, and hashes the whole on the way: nothing appears under the key
 * where the hash differs, or the file changes while it is read.
 */
export async function uploadParts(
  connection: S3Connection,
  key: string,
  path: string,
  options: PutOptions & { readonly condition?: WriteCondition } = {},
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await withChecksums(connection, () => uploadOnce(connection, key, path, options))
    } catch (error) {
      const again = statusOf(error) === 404 || statusOf(error) === 409
      if (!again || attempt >= MAX_UPLOADS) throw error
    }
  }
}

async function uploadOnce(
  connection: S3Connection,
  key: string,
  path: string,
  options: PutOptions & { readonly condition?: WriteCondition },
): Promise<void> {
  const { location, partBytes } = connection
  const { Upload } = await import('@aws-sdk/lib-storage')
  const { size } = await stat(path)
  const upload = new Upload({
    client: bindClient(connection, options.signal),
    partSize: partBytes,
    params: {
      Bucket: location.bucket,
      Key: location.prefix + key,
      Body: Readable.from(readHashed(key, path, options), { objectMode: false }),
      ContentLength: size,
      // The end of the upload carries it.
      ...options.condition,
    },
  })
  await upload.done()
}

/** The file's bytes; fails at their end where the hash is another, before the upload is completed. */
async function* readHashed(
  key: string,
  path: string,
  { sha256, signal }: PutOptions,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of readChunks(path, signal)) {
    hash.update(chunk)
    // The next chunk overwrites this one.
    yield Buffer.from(chunk)
  }
  const found = hash.digest('hex')
  if (sha256 !== undefined && found !== sha256) {
    throw hashMismatchError(`what was to be stored as ${key}`, sha256, found)
  }
}

/** The client as `Upload` uses it, which takes neither a signal nor a time for its requests. */
function bindClient(connection: S3Connection, signal: AbortSignal | undefined): S3Client {
  const { client, partBytes } = connection
  const send = (command: PutObjectCommand) =>
    // What cleans up after an upload that was left must not be stopped by the same signal.
    client.send(
      command,
      sendOptions(connection, partBytes, isCleanup(command) ? undefined : signal),
    )
  return Object.create(client, { send: { value: send } }) as S3Client
}

function isCleanup(command: unknown): boolean {
  return command instanceof AbortMultipartUploadCommand
}

function sendOptions(connection: S3Connection, bytes: number, signal: BlobOptions['signal']) {
  const requestTimeout = connection.requestTimeoutMs + bytes / SLOWEST_BYTES_PER_MS
  return { requestTimeout, ...(signal === undefined ? {} : { abortSignal: signal }) }
}
