import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { EspalierError } from '../lib/errors.ts'
import { sendsChecksums, withChecksums } from './checksums.ts'
import { explainObjectFailure, isMissingObject, type ObjectPlace } from './errors.ts'
import { statusOf } from './retry.ts'

/** An object under way; nothing shows under its key before `commit`. */
export interface ObjectSink {
  /** Resolves when the bytes are handed on, which is the back-pressure: their buffer may be used again then. */
  write(bytes: Uint8Array): Promise<void>
  /** Overwrites some bytes of the first part. */
  patch(bytes: Uint8Array, position: number): Promise<void>
  /** `exists` where another writer was first, and its object stays. */
  commit(): Promise<'created' | 'exists'>
  /** Drops what was written; does nothing after `commit`. */
  discard(): Promise<void>
}

/** S3 takes this many parts of an object. */
const MAX_PARTS = 10_000
/** A connection slower than this, in bytes per millisecond, is given up: 2 Mbit/s. */
const SLOWEST_BYTES_PER_MS = 250

/**
 * An object that appears whole: in one request where it is small, else in parts. The first part stays here until
 * the end, so that a header can be patched in; another part goes up while the next one fills. `once` leaves it to
 * S3 to refuse a second object of this name, at the last request.
 */
export function createObject(
  target: ObjectPlace,
  key: string,
  { once, signal }: { readonly once: boolean; readonly signal: AbortSignal },
): ObjectSink {
  return new PartSink(target, key, once, signal)
}

class PartSink implements ObjectSink {
  readonly #target: ObjectPlace
  readonly #key: string
  readonly #once: boolean
  readonly #signal: AbortSignal
  /** The parts that arrived, by number. */
  readonly #arrived = new Map<number, CompletedPart>()
  #parts = 1
  #first: Buffer | null = null
  #held: Uint8Array[] = []
  #heldBytes = 0
  #uploadId: string | null = null
  #sending: Promise<void> = Promise.resolve()
  #isDone = false
  /** What the parts are checked by; undefined for a server that takes no checksums. */
  #algorithm: 'CRC32' | undefined

  constructor(target: ObjectPlace, key: string, once: boolean, signal: AbortSignal) {
    this.#target = target
    this.#key = key
    this.#once = once
    this.#signal = signal
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { partBytes } = this.#target.connection
    let rest = bytes
    while (this.#heldBytes + rest.length >= partBytes) {
      const taken = rest.subarray(0, partBytes - this.#heldBytes)
      this.#hold(taken)
      await this.#flush()
      rest = rest.subarray(taken.length)
    }
    if (rest.length > 0) this.#hold(rest)
  }

  async patch(bytes: Uint8Array, position: number): Promise<void> {
    this.#first ??= this.#takeHeld()
    this.#first.set(bytes, position)
  }

  async commit(): Promise<'created' | 'exists'> {
    try {
      const result = this.#uploadId === null ? await this.#put() : await this.#complete()
      this.#isDone = true
      return result
    } catch (error) {
      throw explainObjectFailure(this.#target, 'write', this.#key, error)
    }
  }

  async discard(): Promise<void> {
    if (this.#isDone || this.#uploadId === null) return
    this.#isDone = true
    await this.#sending.catch(() => {})
    // Parts that stay behind cost money until a lifecycle rule ends them; nothing shows of them.
    const command = new AbortMultipartUploadCommand(this.#address(this.#uploadId))
    await this.#target.connection.client.send(command).catch(() => {})
  }

  /** The writer may use its buffer again. */
  #hold(bytes: Uint8Array): void {
    this.#held.push(Buffer.from(bytes))
    this.#heldBytes += bytes.length
  }

  #takeHeld(): Buffer {
    const bytes = Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    return bytes
  }

  /** Sends a full part on its way, once the one before has arrived. */
  async #flush(): Promise<void> {
    if (this.#first === null) {
      this.#first = this.#takeHeld()
      return
    }
    const part = this.#takeHeld()
    const number = ++this.#parts
    if (number > MAX_PARTS) {
      throw new EspalierError('invalid_data', `${this.#key}: more than S3 stores in one object`)
    }
    await this.#sending
    this.#uploadId ??= await this.#begin()
    this.#sending = this.#send(number, part)
    // Awaited before the next part; until then a failure must not count as unhandled.
    this.#sending.catch(() => {})
  }

  async #begin(): Promise<string> {
    const { connection } = this.#target
    const address = { Bucket: connection.location.bucket, Key: this.#key }
    const options = { abortSignal: this.#signal }
    // Said outright: some servers check parts by it only where the beginning named it.
    const begin = async () => {
      this.#algorithm = (await sendsChecksums(connection)) ? 'CRC32' : undefined
      const input = { ...address, ChecksumAlgorithm: this.#algorithm }
      return connection.client.send(new CreateMultipartUploadCommand(input), options)
    }
    const answer = await withChecksums(connection, begin).catch((error: unknown) => {
      throw explainObjectFailure(this.#target, 'write', this.#key, error)
    })
    return answer.UploadId!
  }

  async #send(number: number, part: Buffer): Promise<void> {
    const { connection } = this.#target
    const input = {
      ...this.#address(this.#uploadId!),
      PartNumber: number,
      Body: part,
      ChecksumAlgorithm: this.#algorithm,
    }
    const requestTimeout = connection.requestTimeoutMs + part.length / SLOWEST_BYTES_PER_MS
    const options = { abortSignal: this.#signal, requestTimeout }
    const send = () => connection.client.send(new UploadPartCommand(input), options)
    const answer = await withChecksums(connection, send).catch((error: unknown) => {
      throw explainObjectFailure(this.#target, 'write', this.#key, error)
    })
    const { ETag, ChecksumCRC32 } = answer
    this.#arrived.set(number, { PartNumber: number, ETag, ChecksumCRC32 })
  }

  async #put(): Promise<'created' | 'exists'> {
    const { connection } = this.#target
    const { location, requestTimeoutMs } = connection
    const body = Buffer.concat([this.#first ?? Buffer.alloc(0), this.#takeHeld()])
    const input = {
      Bucket: location.bucket,
      Key: this.#key,
      Body: body,
      ...(this.#once && { IfNoneMatch: '*' }),
    }
    const requestTimeout = requestTimeoutMs + body.length / SLOWEST_BYTES_PER_MS
    try {
      // A commit that has begun is not stopped any more.
      const send = () => connection.client.send(new PutObjectCommand(input), { requestTimeout })
      await withChecksums(connection, send)
      return 'created'
    } catch (error) {
      if (this.#once && statusOf(error) === 412) return 'exists'
      throw error
    }
  }

  async #complete(): Promise<'created' | 'exists'> {
    const { client } = this.#target.connection
    if (this.#heldBytes > 0) await this.#flush()
    await this.#sending
    await this.#send(1, this.#first!)
    const order = [...this.#arrived].sort(([a], [b]) => a - b)
    const parts = order.map(([, part]) => part)
    const command = new CompleteMultipartUploadCommand({
      ...this.#address(this.#uploadId!),
      MultipartUpload: { Parts: parts },
      ...(this.#once && { IfNoneMatch: '*' }),
    })
    try {
      await client.send(command, {})
      return 'created'
    } catch (error) {
      if (this.#once && statusOf(error) === 412) {
        await this.discard()
        return 'exists'
      }
      // The answer to an earlier try may have been lost: then the upload is gone, and the object is there.
      if (statusOf(error) === 404 && (await this.#isThere())) return 'created'
      throw error
    }
  }

  async #isThere(): Promise<boolean> {
    const { client, location } = this.#target.connection
    const command = new HeadObjectCommand({ Bucket: location.bucket, Key: this.#key })
    try {
      await client.send(command)
      return true
    } catch (error) {
      if (isMissingObject(error)) return false
      throw error
    }
  }

  #address(uploadId: string) {
    return { Bucket: this.#target.connection.location.bucket, Key: this.#key, UploadId: uploadId }
  }
}
