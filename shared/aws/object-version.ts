import { GetObjectCommand } from '@aws-sdk/client-s3'
import { EspalierError } from '../lib/errors.ts'
import { connectToS3, type S3StoreOptions } from '../s3/client.ts'
import { explainObjectFailure } from '../s3/errors.ts'

/** One version of an object in a bucket that keeps them. */
export interface ObjectVersion {
  readonly region: string
  readonly bucket: string
  readonly key: string
  readonly versionId: string
}

/** How a version is read. */
export interface ReadVersionOptions extends S3StoreOptions {
  /** Larger objects are refused before they are read. */
  readonly maxBytes: number
}

/**
 * Reads what an object was in a version, whatever it is now.
 * @throws EspalierError `registry_unavailable` where S3 fails, refuses or has it no longer, `artifact_corrupt` where it
 * is too large
 */
export async function readObjectVersion(
  { region, bucket, key, versionId }: ObjectVersion,
  { maxBytes, ...options }: ReadVersionOptions,
): Promise<Uint8Array> {
  const url = `s3://${bucket}?region=${encodeURIComponent(region)}`
  const connection = await connectToS3(url, options)
  const { client } = connection
  try {
    const command = new GetObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId })
    const { Body: body, ContentLength: bytes } = await client.send(command)
    if (body === undefined || bytes === undefined || bytes > maxBytes) {
      const message = `${key} in s3://${bucket} has ${bytes} bytes; at most ${maxBytes} are read`
      throw new EspalierError('artifact_corrupt', message)
    }
    return await body.transformToByteArray()
  } catch (error) {
    throw explainObjectFailure({ connection, url }, 'read a version of', key, error)
  } finally {
    client.destroy()
  }
}
