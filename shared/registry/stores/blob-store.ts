import { EspalierError } from '../../lib/errors.ts'
import { quote } from '../../lib/text/text.ts'

/** Longest key, in characters. */
export const MAX_KEY_LENGTH = 512
/** Largest body of a conditional write, in bytes: they are for small JSON objects, not for weights. */
export const MAX_CONDITIONAL_BYTES = 4 * 1024 * 1024

const SEGMENT = /^[a-z0-9][a-z0-9._-]{0,127}$/
const PREFIX = /^[a-z0-9][a-z0-9._/-]*$/

/** Every operation can be aborted; the signal's reason is thrown. */
export interface BlobOptions {
  readonly signal?: AbortSignal | undefined
}

/** What a store knows of an object without reading it. */
export interface BlobInfo {
  readonly bytes: number
  /** Opaque; equal tags of one key mean equal content. Content that comes back may bring its tag back. */
  readonly etag: string
  readonly modifiedAt: Date
}

/** One object of a listing. */
export interface BlobEntry {
  readonly key: string
  readonly bytes: number
  readonly modifiedAt: Date
  /** Why no object can be read under this key, or below it; in listings that ask for strays. */
  readonly fault?: string | undefined
}

/** The fault of a folder in a listing, which is none unless a file is expected there. */
export const FOLDER_FAULT = 'it is a folder, not a file'

export interface ListOptions extends BlobOptions {
  /**
   * Also yields folders, links that lead nowhere and what cannot be looked into, each with its fault, where a store
   * has such; without it a folder that cannot be looked into fails the listing.
   */
  readonly strays?: boolean | undefined
}

export type GetResult =
  | ({ readonly status: 'found'; readonly body: Uint8Array } & Omit<BlobInfo, 'bytes'>)
  | { readonly status: 'not_modified' }
  | { readonly status: 'missing' }

/** `exists` may be the caller's own write whose first answer was lost: compare before giving up. */
export type CreateResult =
  | { readonly status: 'created'; readonly etag: string }
  | { readonly status: 'exists' }

/** `changed` may be the caller's own write whose first answer was lost: compare before giving up. */
export type SwapResult =
  | { readonly status: 'replaced'; readonly etag: string }
  | { readonly status: 'changed' }
  | { readonly status: 'missing' }

export interface GetOptions extends BlobOptions {
  /** A larger object is refused before it is read. */
  readonly maxBytes: number
  /** Answer `not_modified` where the object still has this tag. */
  readonly ifNoneMatch?: string | undefined
}

export interface PutOptions extends BlobOptions {
  /** Hex sha256 that the content must have; else nothing is stored and the write fails. */
  readonly sha256?: string | undefined
}

export interface DownloadOptions extends BlobOptions {
  readonly maxBytes: number
  /**
   * Hex sha256 that the content should have: a store behind a network reads anew where it differs. What comes is
   * reported as it is; comparing is the caller's part.
   */
  readonly sha256?: string | undefined
}

/** What a transfer wrote. */
export interface Transferred {
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
}

/**
 * A store of named bytes with S3's conditional writes, strongly consistent: a write that returned is seen by
 * every later read, and readers see an object whole or not at all. No key may be the folder of another.
 * Every method throws EspalierError: `invalid_name` for a key outside the grammar, `artifact_corrupt` for an
 * object over its bound or a body with another hash, `object_unreadable` for one that cannot be read while others
 * can, `registry_unavailable` for a store that fails.
 */
export interface BlobStore {
  /** The store as its user wrote it, for messages. */
  readonly url: string
  get(key: string, options: GetOptions): Promise<GetResult>
  head(key: string, options?: BlobOptions): Promise<BlobInfo | null>
  /** Creates the object; of all that race for a key exactly one gets `created` (`If-None-Match: *`). */
  putIfAbsent(key: string, body: Uint8Array, options?: BlobOptions): Promise<CreateResult>
  /** Replaces the object if it still has the tag; of all that race exactly one gets `replaced` (`If-Match`). */
  putIfMatch(
    key: string,
    body: Uint8Array,
    etag: string,
    options?: BlobOptions,
  ): Promise<SwapResult>
  /** Writes whatever is there; for objects named by their content. */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<void>
  /** As `put`, streamed from a local file. */
  upload(key: string, path: string, options?: PutOptions): Promise<void>
  /** Streams into a new local file, hashing on the way, and syncs it; null where the object is missing. */
  download(key: string, path: string, options: DownloadOptions): Promise<Transferred | null>
  /** Objects whose key starts with the prefix (a string, not a folder), in ascending order, paged inside. */
  list(prefix: string, options?: ListOptions): AsyncIterable<BlobEntry>
  /** Removes the object; one that is missing is fine. */
  delete(key: string, options?: BlobOptions): Promise<void>
  /** @throws EspalierError `registry_unavailable` where a version of the model could not be written, by a cheap look */
  checkWritable?(name: string, options?: BlobOptions): Promise<void>
  /** Removes files that processes left which died within a write, and says how many; where a store has such. */
  removeLeftovers?(): Promise<number>
  /** Releases connections; the store is not used afterwards. */
  close(): Promise<void>
}

/** @throws EspalierError `invalid_name` for a key that could leave the store or be read two ways */
export function checkKey(key: string): void {
  if (isKey(key)) return
  throw new EspalierError(
    'invalid_name',
    `registry key ${quote(key)} is not allowed: segments of a-z, 0-9, ".", "_" and "-" that start with a letter or digit, joined by "/", ${MAX_KEY_LENGTH} characters in all`,
  )
}

/** True for what can be a key. */
export function isKey(key: string): boolean {
  return key.length <= MAX_KEY_LENGTH && key.split('/').every((segment) => isSegment(segment))
}

function isSegment(segment: string): boolean {
  return SEGMENT.test(segment) && !segment.includes('..')
}

/** As `checkKey`, for the beginning of keys; an empty prefix lists everything. */
export function checkPrefix(prefix: string): void {
  const allowed = prefix.length <= MAX_KEY_LENGTH && (prefix === '' || PREFIX.test(prefix))
  if (!allowed || prefix.includes('..') || prefix.includes('//') || prefix.includes('/.')) {
    throw new EspalierError('invalid_name', `registry prefix ${quote(prefix)} is not allowed`)
  }
}

/** @throws EspalierError `invalid_data` for a body that is too large for a conditional write */
export function checkConditionalBody(key: string, body: Uint8Array): void {
  if (body.byteLength > MAX_CONDITIONAL_BYTES) {
    throw new EspalierError(
      'invalid_data',
      `${key}: ${body.byteLength} bytes; objects changed by condition have at most ${MAX_CONDITIONAL_BYTES}`,
    )
  }
}

/** The error for an object that is larger than its reader allows. */
export function tooLargeError(url: string, key: string, maxBytes: number): EspalierError {
  return new EspalierError(
    'artifact_corrupt',
    `${key} in ${url} is larger than the ${maxBytes} bytes it may have`,
  )
}

/** The error for an object that cannot be read while the store answers. */
export function unreadableError(
  url: string,
  key: string,
  why: string,
  options?: ErrorOptions,
): EspalierError {
  return new EspalierError('object_unreadable', `cannot read ${key} in ${url}: ${why}`, options)
}

/** The error for content that has not the hash it was announced with. */
export function hashMismatchError(
  what: string,
  expected: string,
  found: string,
  options?: ErrorOptions,
): EspalierError {
  return new EspalierError(
    'artifact_corrupt',
    `${what} is corrupt: expected sha256 ${expected}, found ${found}`,
    options,
  )
}

/** The error for a key that is the folder of another, or below another. */
export function folderError(key: string, options?: ErrorOptions): EspalierError {
  return new EspalierError(
    'invalid_name',
    `registry key ${quote(key)} is the folder of another key, or lies below one`,
    options,
  )
}
