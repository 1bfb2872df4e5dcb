import {
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type ObjectIdentifier,
} from '@aws-sdk/client-s3'
import { EspalierError } from '../lib/errors.ts'
import { connectToS3, type S3StoreOptions } from '../s3/client.ts'
import { explainObjectFailure, type ObjectPlace } from '../s3/errors.ts'

/** One version of an object, or the marker of a deletion. */
export interface ErasableVersion {
  readonly key: string
  /** `null` in a bucket that never had versions. */
  readonly versionId: string
  readonly bytes: number
  /** True for what the object is now. */
  readonly isLatest: boolean
}

/** What lies at a place on S3, to be erased. */
export interface ErasablePlace {
  /** Every version of the object of this name, and of all below it, in the order of S3. */
  readonly versions: readonly ErasableVersion[]
  /** Deletes them all for good. @throws EspalierError where S3 refuses one, or cannot be reached */
  erase(signal: AbortSignal): Promise<void>
  close(): void
}

/** S3 takes so many at once. */
const MAX_AT_ONCE = 1000
/** Versions that are held in memory at most. */
const MAX_VERSIONS = 1_000_000

/**
 * Lists all versions of the object or folder that an `s3://` URL names.
 * @param options.exact only the object itself, and nothing below it
 * @throws EspalierError `invalid_request` for a URL that is none or names a whole bucket, `registry_unavailable`
 */
export async function findErasable(
  url: string,
  signal: AbortSignal,
  { exact = false, ...options }: S3StoreOptions & { readonly exact?: boolean } = {},
): Promise<ErasablePlace> {
  const connection = await connectToS3(url, options)
  const { bucket, prefix } = connection.location
  const place = { connection, url }
  try {
    if (prefix === '') {
      const message = `${url} is a whole bucket; name an object, or a folder in it`
      throw new EspalierError('invalid_request', message)
    }
    const versions: ErasableVersion[] = []
    for await (const version of listVersions(place, prefix.slice(0, -1), signal)) {
      const { key } = version
      // A prefix of S3 also finds `rows-of-others`.
      if (key !== prefix.slice(0, -1) && (exact || !key.startsWith(prefix))) continue
      versions.push(version)
      if (versions.length <= MAX_VERSIONS) continue
      throw new EspalierError('invalid_request', `${url} has more than ${MAX_VERSIONS} versions`)
    }
    return {
      versions,
      async erase(stop) {
        for (let at = 0; at < versions.length; at += MAX_AT_ONCE) {
          const some = versions.slice(at, at + MAX_AT_ONCE)
          const ids = some.map(({ key, versionId }) => ({ Key: key, VersionId: versionId }))
          await eraseSome(place, bucket, ids, stop)
        }
      },
      close: () => connection.client.destroy(),
    }
  } catch (error) {
    connection.client.destroy()
    throw error
  }
}

async function* listVersions(
  place: ObjectPlace,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ErasableVersion> {
  const { client, location } = place.connection
  let from: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } | undefined
  do {
    const input = { Bucket: location.bucket, Prefix: prefix, ...from }
    const answer = await client
      .send(new ListObjectVersionsCommand(input), { abortSignal: signal })
      .catch((error: unknown) => {
        throw explainObjectFailure(place, 'list versions of', prefix, error)
      })
    const { Versions = [], DeleteMarkers = [] } = answer
    const markers = DeleteMarkers.map((marker) => ({ ...marker, Size: 0 }))
    for (const found of [...Versions, ...markers]) {
      const { Key: key, VersionId: versionId = 'null', Size: bytes = 0 } = found
      if (key !== undefined) yield { key, versionId, bytes, isLatest: found.IsLatest === true }
    }
    from = answer.IsTruncated
      ? { KeyMarker: answer.NextKeyMarker, VersionIdMarker: answer.NextVersionIdMarker }
      : undefined
  } while (from !== undefined)
}

async function eraseSome(
  place: ObjectPlace,
  bucket: string,
  ids: ObjectIdentifier[],
  signal: AbortSignal,
): Promise<void> {
  const command = new DeleteObjectsCommand({
    Bucket: bucket,
    Delete: { Objects: ids, Quiet: true },
  })
  const answer = await place.connection.client
    .send(command, { abortSignal: signal })
    .catch((error: unknown) => {
      throw explainObjectFailure(place, 'delete versions of', ids[0]?.Key ?? '', error)
    })
  const [first] = answer.Errors ?? []
  if (first === undefined) return
  const count = answer.Errors?.length ?? 0
  throw new EspalierError(
    'registry_unavailable',
    `cannot delete ${first.Key} in s3://${bucket}: ${first.Code} ${first.Message ?? ''}; ${count} of ${ids.length} versions stay (the right is s3:DeleteObjectVersion)`,
  )
}
