import type { S3Connection } from './client.ts'
import { statusOf } from './retry.ts'

/** Codes of a body that differs from its checksum, as against a header that is not understood. */
const MISMATCHES = [
  'BadDigest',
  'InvalidDigest',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
]
/** What servers name that refuse the header: x-amz-checksum-crc32, x-amz-sdk-checksum-algorithm, x-amz-trailer. */
const CHECKSUM_HEADER = /x-amz-(?:sdk-)?checksum|x-amz-trailer|aws-chunked/i

/**
 * Sends something, and once more without checksums where the server refuses their headers. Nothing is lost by that:
 * bodies that matter are hashed before they go and when they are read.
 */
export async function withChecksums<T>(
  connection: Pick<S3Connection, 'dropChecksums'>,
  send: () => Promise<T>,
): Promise<T> {
  try {
    return await send()
  } catch (error) {
    if (!isRefusedHeader(error)) throw error
    connection.dropChecksums()
    return send()
  }
}

/** Whether bodies go with a checksum: not where a server refused it, or AWS_REQUEST_CHECKSUM_CALCULATION says so. */
export async function sendsChecksums({ client }: Pick<S3Connection, 'client'>): Promise<boolean> {
  return (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED'
}

/** True for an answer about a header of checksums; one about the body itself is told as it is. */
function isRefusedHeader(error: unknown): boolean {
  const status = statusOf(error)
  if (status !== 400 && status !== 501) return false
  const { name, message, Code, ...more } = (error ?? {}) as Partial<Error> & { Code?: string }
  if (MISMATCHES.includes(Code ?? name ?? '')) return false
  // Some name the header beside the message.
  const told = [message, ...Object.values(more).filter((value) => typeof value === 'string')]
  return told.some((text) => CHECKSUM_HEADER.test(text ?? ''))
}
