import { createHash } from 'node:crypto'

/** A request as S3 gets it. */
export interface S3Request {
  readonly method: string
  /** Decoded, without the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface S3Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | undefined
}

interface Stored {
  readonly body: Buffer
  readonly etag: string
  readonly modifiedAt: Date
  readonly checksums: Record<string, string>
}

/** How a bucket is set up; the patterns are what its policy denies. */
export interface FakeBucketOptions {
  readonly pageSize?: number
  /** Keys that no write without a condition may go to. */
  readonly writtenOnce?: RegExp
  /** Keys that may only be created, and never replaced. */
  readonly createdOnly?: RegExp
}

const CHECKSUMS = ['x-amz-checksum-sha256', 'x-amz-checksum-crc32']

/** The part of S3's semantics that a store of blobs relies on, one bucket in memory. */
export class FakeBucket {
  readonly objects = new Map<string, Stored>()
  /** Keys that nobody may read; `''` for the listing. */
  readonly denied = new Set<string>()
  /** Parts of uploads that were neither completed nor aborted, by upload id. */
  readonly uploads = new Map<string, Map<number, Buffer>>()
  readonly #pageSize: number
  readonly #writtenOnce: RegExp | undefined
  readonly #createdOnly: RegExp | undefined
  /** What each writing left, by its version: `v1`, `v2`, … in their order. */
  readonly writings = new Map<string, { readonly key: string; readonly body: Buffer }>()
  #uploadCount = 0

  constructor({ pageSize = 1000, writtenOnce, createdOnly }: FakeBucketOptions = {}) {
    this.#pageSize = pageSize
    this.#writtenOnce = writtenOnce
    this.#createdOnly = createdOnly
  }

  handle(request: S3Request): S3Answer {
    const { method, query } = request
    const isListing = method === 'GET' && query.get('list-type') === '2'
    if (method === 'HEAD' && this.denied.has(request.key)) return { status: 403 }
    if (method === 'GET' && this.denied.has(isListing ? '' : request.key)) {
      return errorAnswer(403, 'AccessDenied')
    }
    if (isListing) return this.#list(query)
    if (method === 'POST' && query.has('uploads')) return this.#beginUpload()
    if (query.has('uploadId')) return this.#continueUpload(request)
    if (method === 'GET' || method === 'HEAD') return this.#read(request)
    if (method === 'PUT') return this.#write(request)
    if (method === 'DELETE') {
      this.objects.delete(request.key)
      return { status: 204 }
    }
    return errorAnswer(405, 'MethodNotAllowed')
  }

  #read({ method, key, query, headers }: S3Request): S3Answer {
    const versionId = query.get('versionId')
    if (versionId !== null) {
      const version = this.writings.get(versionId)
      if (version?.key !== key) return errorAnswer(404, 'NoSuchVersion')
      const length = String(version.body.byteLength)
      return { status: 200, headers: { 'content-length': length }, body: version.body }
    }
    const found = this.objects.get(key)
    if (found === undefined)
      return method === 'HEAD' ? { status: 404 } : errorAnswer(404, 'NoSuchKey')
    const { body, etag, modifiedAt, checksums } = found
    if (headers['if-none-match'] === etag) return { status: 304, headers: { etag } }
    const match = headers['if-match']
    if (match !== undefined && match !== etag) return errorAnswer(412, 'PreconditionFailed')
    const range = /^bytes=(\d+)-(\d+)$/.exec(String(headers.range ?? ''))
    const sent = range ? body.subarray(Number(range[1]), Number(range[2]) + 1) : body
    return {
      status: range ? 206 : 200,
      headers: {
        etag,
        'last-modified': modifiedAt.toUTCString(),
        'content-length': String(sent.byteLength),
        ...(headers['x-amz-checksum-mode'] === 'ENABLED' && !range ? checksums : {}),
      },
      body: method === 'HEAD' ? undefined : sent,
    }
  }

  #write({ key, headers, body }: S3Request): S3Answer {
    const refusal = this.#refuse(key, headers)
    if (refusal !== null) return refusal
    const sha256 = headers['x-amz-checksum-sha256']
    if (sha256 !== undefined && sha256 !== hash('sha256', body, 'base64')) {
      return errorAnswer(400, 'BadDigest')
    }
    const checksums: Record<string, string> = {}
    for (const name of CHECKSUMS) {
      const value = headers[name]
      if (typeof value === 'string') checksums[name] = value
    }
    const etag = `"${hash('md5', body, 'hex')}"`
    this.#store(key, body, etag, checksums)
    return { status: 200, headers: { etag } }
  }

  /** The answer to a write that may not be: its condition does not hold, or it has to have one. */
  #refuse(key: string, headers: S3Request['headers']): S3Answer | null {
    const found = this.objects.get(key)
    const match = headers['if-match']
    const isNew = headers['if-none-match'] === '*'
    const isForbidden =
      !isNew && (match === undefined ? this.#writtenOnce : this.#createdOnly)?.test(key)
    if (isForbidden) return errorAnswer(403, 'AccessDenied')
    if (isNew && found) return errorAnswer(412, 'PreconditionFailed')
    if (match !== undefined && !found) return errorAnswer(404, 'NoSuchKey')
    if (match !== undefined && found?.etag !== match) return errorAnswer(412, 'PreconditionFailed')
    return null
  }

  #store(key: string, body: Buffer, etag: string, checksums: Record<string, string>): void {
    this.writings.set(`v${this.writings.size + 1}`, { key, body })
    this.objects.set(key, { body, etag, modifiedAt: new Date(), checksums })
  }

  #list(query: URLSearchParams): S3Answer {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? ''
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .sort()
    const page = keys.slice(0, this.#pageSize)
    const contents = page.map((key) => {
      const { body, etag, modifiedAt } = this.objects.get(key)!
      return `<Contents><Key>${key}</Key><LastModified>${modifiedAt.toISOString()}</LastModified><ETag>${etag}</ETag><Size>${body.byteLength}</Size></Contents>`
    })
    const truncated = page.length < keys.length
    const next = truncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
    return xmlAnswer(
      200,
      `<ListBucketResult><IsTruncated>${truncated}</IsTruncated>${next}<KeyCount>${page.length}</KeyCount>${contents.join('')}</ListBucketResult>`,
    )
  }

  #beginUpload(): S3Answer {
    this.#uploadCount++
    const id = `upload-${this.#uploadCount}`
    this.uploads.set(id, new Map())
    const xml = `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`
    return xmlAnswer(200, xml)
  }

  #continueUpload({ method, key, query, headers, body }: S3Request): S3Answer {
    const id = query.get('uploadId') ?? ''
    const parts = this.uploads.get(id)
    if (parts === undefined) return errorAnswer(404, 'NoSuchUpload')
    const refusal = method === 'POST' ? this.#refuse(key, headers) : null
    if (refusal !== null) return refusal
    if (method === 'PUT') {
      parts.set(Number(query.get('partNumber')), body)
      const etag = `"${hash('md5', body, 'hex')}"`
      return { status: 200, headers: { etag } }
    }
    this.uploads.delete(id)
    if (method === 'DELETE') return { status: 204 }
    const whole = Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, part]) => part))
    this.#store(key, whole, `"${hash('md5', whole, 'hex')}-${parts.size}"`, {})
    return xmlAnswer(200, '<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
  }
}

/** An error as S3 words it. */
export function errorAnswer(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
  message = `what ${code} means`,
): S3Answer {
  const xml = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  const answer = xmlAnswer(status, xml)
  return { ...answer, headers: { ...answer.headers, ...headers } }
}

function xmlAnswer(status: number, xml: string): S3Answer {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>${xml}`)
  return { status, headers: { 'content-type': 'application/xml' }, body }
}

function hash(algorithm: string, body: Buffer, encoding: 'hex' | 'base64'): string {
  return createHash(algorithm).update(body).digest(encoding)
}
