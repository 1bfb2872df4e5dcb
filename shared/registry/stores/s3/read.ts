import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3'
import type { S3Connection } from '../../../s3/client.ts'
import { explainFailure, malformedAnswer, type S3Verb } from '../../../s3/errors.ts'
import { retryDelayMs } from '../../../s3/retry.ts'
import { type BlobOptions, tooLargeError } from '../blob-store.ts'

/** Readings of one body before a broken one is given up: the SDK repeats requests, and never bodies. */
const MAX_READINGS = 3
/** Bodies are handed on in groups of about this size: the network's own chunks are small, and each costs a turn. */
const PIECE_BYTES = 512 * 1024

/** What is read, and how far. */
export interface ReadRequest extends BlobOptions {
  readonly key: string
  readonly verb: S3Verb
  /** A larger object is refused before its body is read. */
  readonly maxBytes: number
  readonly ifNoneMatch?: string | undefined
  /** Whether the body is held against the checksum that S3 keeps; for bodies that nobody else checks. */
  readonly checked: boolean
}

/** The connection broke within a body, or the body is not what was announced. */
class BrokenBody extends Error {}

/**
 * Gets an object and hands its body to `consume`, anew where the body broke or `consume` says that it is not as it
 * should be. The connection is let go however that ends.
 * @throws what the SDK throws for the request, `registry_unavailable` for a body that stays broken
 */
export async function readObject<T>(
  connection: S3Connection,
  request: ReadRequest,
  consume: (
    pieces: AsyncIterable<readonly Uint8Array[]>,
    answer: GetObjectCommandOutput,
    isLast: boolean,
  ) => Promise<T | 'again'>,
): Promise<T> {
  const { key, verb, signal } = request
  for (let reading = 1; ; reading++) {
    const isLast = reading >= MAX_READINGS
    try {
      const result = await readOnce(connection, request, (pieces, answer) =>
        consume(pieces, answer, isLast),
      )
      if (result !== 'again') return result
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof BrokenBody)) throw error
      if (isLast) throw explainFailure(connection, verb, key, error)
    }
    await sleep(retryDelayMs(connection.retry, reading), undefined, { signal })
  }
}

async function readOnce<T>(
  connection: S3Connection,
  request: ReadRequest,
  consume: (
    pieces: AsyncIterable<readonly Uint8Array[]>,
    answer: GetObjectCommandOutput,
  ) => Promise<T>,
): Promise<T> {
  const { location, client, url } = connection
  const { key, maxBytes, signal } = request
  const command = new GetObjectCommand({
    Bucket: location.bucket,
    Key: location.prefix + key,
    IfNoneMatch: request.ifNoneMatch,
    ...(request.checked ? { ChecksumMode: 'ENABLED' } : {}),
  })
  const answer = await client.send(command, signal === undefined ? {} : { abortSignal: signal })
  const body = answer.Body as Readable
  // A body that fails while nobody reads it would take the process down.
  body.on('error', () => {})
  try {
    const bytes = answer.ContentLength
    if (bytes === undefined) throw malformedAnswer(connection, key, 'a content length')
    if (bytes > maxBytes) throw tooLargeError(url, key, maxBytes)
    return await consume(readPieces(body, bytes), answer)
  } finally {
    // Where it was not read to its end, this closes the connection.
    body.destroy()
  }
}

/** The body in groups of chunks worth a write; they are the reader's to keep. */
async function* readPieces(
  body: AsyncIterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array[]> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  let total = 0
  try {
    for await (const chunk of body) {
      held.push(chunk)
      heldBytes += chunk.byteLength
      total += chunk.byteLength
      if (heldBytes < PIECE_BYTES) continue
      yield held
      held = []
      heldBytes = 0
    }
    if (heldBytes > 0) yield held
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new BrokenBody(`the body broke off: ${why}`, { cause })
  }
  if (total !== bytes) throw new BrokenBody(`the body has ${total} bytes instead of ${bytes}`)
}

/** A body that is small enough to be held, as one. */
export async function concatenate(
  pieces: AsyncIterable<readonly Uint8Array[]>,
): Promise<Uint8Array> {
  const held: Uint8Array[] = []
  for await (const piece of pieces) held.push(...piece)
  const { buffer, byteOffset, length } = Buffer.concat(held)
  return new Uint8Array(buffer, byteOffset, length)
}
