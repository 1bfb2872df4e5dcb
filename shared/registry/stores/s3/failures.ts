import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { EspalierError } from '../../../lib/errors.ts'
import type { S3Connection } from '../../../s3/client.ts'
import {
  codeOf,
  EXPIRED,
  explainFailure,
  explainKeptObject,
  type S3Verb,
  UNKNOWN_CALLER,
} from '../../../s3/errors.ts'
import { statusOf } from '../../../s3/retry.ts'

const READING: ReadonlySet<S3Verb> = new Set(['read', 'look up', 'download'])
/** Codes of a 403 that are about the caller, whatever it asked for. */
const OF_CALLER = [...EXPIRED, ...UNKNOWN_CALLER, 'RequestTimeTooSkewed', 'AllAccessDisabled']

/** Tells failures of one object from those of the whole store. */
export class S3Failures {
  readonly #connection: S3Connection
  #listing: Promise<boolean> | null = null

  constructor(connection: S3Connection) {
    this.#connection = connection
  }

  /**
   * The error for a request that failed for good: `object_unreadable` where S3 keeps one object from a caller who may
   * list the store, `registry_unavailable` otherwise.
   */
  async explain(
    verb: S3Verb,
    key: string,
    error: unknown,
    signal: AbortSignal | undefined,
  ): Promise<EspalierError> {
    const connection = this.#connection
    // Without the right to list, S3 says of missing objects that they are forbidden.
    if (!READING.has(verb) || !isOfObject(error) || !(await this.#mayList(signal))) {
      return explainFailure(connection, verb, key, error)
    }
    return explainKeptObject(connection, verb, key, error)
  }

  /** One look for all that fail at the same time. */
  #mayList(signal: AbortSignal | undefined): Promise<boolean> {
    this.#listing ??= this.#list(signal).finally(() => {
      this.#listing = null
    })
    return this.#listing
  }

  async #list(signal: AbortSignal | undefined): Promise<boolean> {
    const { client, location } = this.#connection
    const Prefix = `${location.prefix}models/`
    const command = new ListObjectsV2Command({ Bucket: location.bucket, Prefix, MaxKeys: 1 })
    try {
      await client.send(command, signal === undefined ? {} : { abortSignal: signal })
      return true
    } catch {
      signal?.throwIfAborted()
      return false
    }
  }
}

/** Access denied, archived, or encrypted with a key that this caller may not use or that is gone. */
function isOfObject(error: unknown): boolean {
  const code = codeOf(error)
  const status = statusOf(error)
  return status === 403 ? !OF_CALLER.includes(code) : status === 400 && code.startsWith('KMS.')
}
