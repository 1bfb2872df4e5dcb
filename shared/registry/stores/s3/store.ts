import { readFile, rm, stat } from 'node:fs/promises'
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import { EspalierError } from '../../../lib/errors.ts'
import { connectToS3, type S3Connection, type S3StoreOptions } from '../../../s3/client.ts'
import { isMissingObject, malformedAnswer, type S3Verb } from '../../../s3/errors.ts'
import { statusOf } from '../../../s3/retry.ts'
import {
  type BlobEntry,
  type BlobInfo,
  type BlobOptions,
  type BlobStore,
  type CreateResult,
  checkConditionalBody,
  checkKey,
  checkPrefix,
  type DownloadOptions,
  type GetOptions,
  type GetResult,
  isKey,
  type PutOptions,
  type SwapResult,
  type Transferred,
  tooLargeError,
} from '../blob-store.ts'
import { downloadError, LocalFileFault, writeChunks } from '../transfer.ts'
import { S3Failures } from './failures.ts'
import { ConditionalWrites } from './probe.ts'
import { concatenate, readObject } from './read.ts'
import { checkBody, putObject, uploadParts, type WriteCondition, writeOver } from './write.ts'

/**
 * Opens a store under a prefix of an S3 bucket, or of a server that speaks S3 with conditional writes. What S3
 * answers is told apart by status; requests that fail for a moment are sent again.
 * @param options.verdictFolder where it is kept that a server which is not AWS holds to conditional writes; without
 *   one that is not probed
 * @throws EspalierError `invalid_config` for a wrong URL, and where no region is known
 */
export async function openS3Store(
  url: string,
  options: S3StoreOptions & { readonly verdictFolder?: string | undefined } = {},
): Promise<BlobStore> {
  return new S3Store(await connectToS3(url, options), options.verdictFolder)
}

const WRITING: ReadonlySet<S3Verb> = new Set(['create', 'replace', 'write'])

class S3Store implements BlobStore {
  readonly url: string
  readonly #connection: S3Connection
  readonly #conditional: ConditionalWrites
  readonly #failures: S3Failures

  constructor(connection: S3Connection, verdictFolder: string | undefined) {
    this.url = connection.url
    this.#connection = connection
    this.#conditional = new ConditionalWrites(connection, verdictFolder)
    this.#failures = new S3Failures(connection)
  }

  async checkWritable(_name: string, { signal }: BlobOptions = {}): Promise<void> {
    await this.#conditional.ensure(signal)
    await this.#conditional.tryWrite(signal)
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    return this.#run('read', key, options, async () => {
      const request = { ...options, key, verb: 'read', checked: true } as const
      try {
        return await readObject(this.#connection, request, async (pieces, answer) => {
          const body = await concatenate(pieces)
          const { etag, modifiedAt } = this.#readInfo(key, answer)
          return { status: 'found', body, etag, modifiedAt }
        })
      } catch (error) {
        if (statusOf(error) === 304) return { status: 'not_modified' }
        if (isMissingObject(error)) return { status: 'missing' }
        throw error
      }
    })
  }

  async head(key: string, options: BlobOptions = {}): Promise<BlobInfo | null> {
    return this.#run('look up', key, options, async () => {
      try {
        const answer = await this.#connection.client.send(
          new HeadObjectCommand(this.#address(key)),
          sendOptions(options),
        )
        return this.#readInfo(key, answer)
      } catch (error) {
        if (isMissingObject(error)) return null
        throw error
      }
    })
  }

  async putIfAbsent(
    key: string,
    body: Uint8Array,
    options: BlobOptions = {},
  ): Promise<CreateResult> {
    checkConditionalBody(key, body)
    return this.#run('create', key, options, async () => {
      try {
        const condition = { IfNoneMatch: '*' }
        const answer = await putObject(this.#connection, key, body, { ...options, condition })
        return { status: 'created', etag: this.#readTag(key, answer) }
      } catch (error) {
        if (statusOf(error) === 412) return { status: 'exists' }
        throw error
      }
    })
  }

  async putIfMatch(
    key: string,
    body: Uint8Array,
    etag: string,
    options: BlobOptions = {},
  ): Promise<SwapResult> {
    checkConditionalBody(key, body)
    return this.#run('replace', key, options, async () => {
      try {
        const condition = { IfMatch: etag }
        const answer = await putObject(this.#connection, key, body, { ...options, condition })
        return { status: 'replaced', etag: this.#readTag(key, answer) }
      } catch (error) {
        if (isMissingObject(error)) return { status: 'missing' }
        if (statusOf(error) !== 412) throw error
        // Some servers answer so for a missing object too.
        return { status: (await this.head(key, options)) === null ? 'missing' : 'changed' }
      }
    })
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    await this.#run('write', key, options, async () => {
      checkBody(key, body, options.sha256)
      await this.#putOver(key, body, options)
    })
  }

  async upload(key: string, path: string, options: PutOptions = {}): Promise<void> {
    await this.#run('write', key, options, async () => {
      const { size } = await stat(path)
      if (size > this.#connection.partBytes) {
        const upload = (condition: WriteCondition) =>
          uploadParts(this.#connection, key, path, { ...options, condition })
        return writeOver(upload, () => this.#findTag(key, options), size)
      }
      const body = await readFile(path, { signal: options.signal })
      checkBody(key, body, options.sha256)
      await this.#putOver(key, body, options)
    })
  }

  async download(key: string, path: string, options: DownloadOptions): Promise<Transferred | null> {
    const { maxBytes, sha256, signal } = options
    const limits = { maxBytes, signal, tooLarge: () => tooLargeError(this.url, key, maxBytes) }
    return this.#run('download', key, options, async () => {
      const checked = sha256 === undefined
      const request = { key, verb: 'download', maxBytes, signal, checked } as const
      try {
        return await readObject(this.#connection, request, async (pieces, _, isLast) => {
          const written = await writeChunks(pieces, path, limits)
          if (sha256 === undefined || sha256 === written.sha256 || isLast) return written
          await rm(path, { force: true })
          return 'again'
        })
      } catch (error) {
        if (isMissingObject(error)) return null
        throw error
      }
    })
  }

  async *list(prefix: string, options: BlobOptions = {}): AsyncGenerator<BlobEntry> {
    checkPrefix(prefix)
    const { location, client } = this.#connection
    let token: string | undefined
    do {
      const page = await this.#run('list', prefix, options, () =>
        client.send(
          new ListObjectsV2Command({
            Bucket: location.bucket,
            Prefix: location.prefix + prefix,
            ContinuationToken: token,
          }),
          sendOptions(options),
        ),
      )
      // S3 lists in this order by itself; SeaweedFS goes folder by folder.
      const objects = (page.Contents ?? []).sort(({ Key: a = '' }, { Key: b = '' }) =>
        a < b ? -1 : 1,
      )
      for (const { Key = '', Size: bytes, LastModified: modifiedAt } of objects) {
        const key = Key.slice(location.prefix.length)
        // Consoles and other tools leave objects that stand for folders.
        if (!isKey(key)) continue
        if (bytes === undefined || modifiedAt === undefined) {
          throw malformedAnswer(this.#connection, key, 'size and time')
        }
        options.signal?.throwIfAborted()
        yield { key, bytes, modifiedAt }
      }
      token = page.NextContinuationToken
      if (page.IsTruncated && token === undefined) {
        throw malformedAnswer(this.#connection, prefix, 'the rest of a listing')
      }
    } while (token !== undefined)
  }

  async delete(key: string, options: BlobOptions = {}): Promise<void> {
    await this.#run('delete', key, options, async () => {
      try {
        await this.#connection.client.send(
          new DeleteObjectCommand(this.#address(key)),
          sendOptions(options),
        )
      } catch (error) {
        if (!isMissingObject(error)) throw error
      }
    })
  }

  async close(): Promise<void> {
    this.#connection.client.destroy()
  }

  async #putOver(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    await writeOver(
      (condition) => putObject(this.#connection, key, body, { ...options, condition }),
      () => this.#findTag(key, options),
      body.byteLength,
    )
  }

  async #findTag(key: string, options: BlobOptions): Promise<string | null> {
    return (await this.head(key, options))?.etag ?? null
  }

  #address(key: string): { Bucket: string; Key: string } {
    const { bucket, prefix } = this.#connection.location
    return { Bucket: bucket, Key: prefix + key }
  }

  #readTag(key: string, { ETag: etag }: { ETag?: string | undefined }): string {
    if (etag === undefined) throw malformedAnswer(this.#connection, key, 'an ETag')
    return etag
  }

  #readInfo(
    key: string,
    answer: Pick<HeadObjectCommandOutput, 'ContentLength' | 'ETag' | 'LastModified'>,
  ): BlobInfo {
    const { ContentLength: bytes, LastModified: modifiedAt } = answer
    if (bytes === undefined || modifiedAt === undefined) {
      throw malformedAnswer(this.#connection, key, 'size and time')
    }
    return { bytes, etag: this.#readTag(key, answer), modifiedAt }
  }

  /** Checks the key, and says for every failure what was to be done and to which object. */
  async #run<T>(
    verb: S3Verb,
    key: string,
    { signal }: BlobOptions,
    action: () => Promise<T>,
  ): Promise<T> {
    if (verb !== 'list') checkKey(key)
    signal?.throwIfAborted()
    try {
      if (WRITING.has(verb)) await this.#conditional.ensure(signal)
      return await action()
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof EspalierError) throw error
      if (error instanceof LocalFileFault) throw downloadError(this.url, key, error)
      throw await this.#failures.explain(verb, key, error, signal)
    }
  }
}

function sendOptions({ signal }: BlobOptions): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}
