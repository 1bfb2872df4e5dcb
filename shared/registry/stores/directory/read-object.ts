import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { systemCode } from '../../../lib/system-errors.ts'
import { MAX_CONDITIONAL_BYTES } from '../blob-store.ts'
import { hashBytes } from '../transfer.ts'

/** For `catch`: null where the file is not there. */
export function nullIfMissing(error: unknown): null {
  if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return null
  throw error
}

/** One consistent look at a file: what is open stays as it is while another file takes its name. */
export async function readWhole(
  path: string,
  maxBytes: number,
): Promise<{ body: Uint8Array; info: BigIntStats } | 'too_large' | null> {
  // Without waiting, should somebody have put a pipe there.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK
  const file: FileHandle | null = await open(path, flags).catch(nullIfMissing)
  if (file === null) return null
  try {
    const info = await file.stat({ bigint: true })
    if (!info.isFile()) return null
    if (info.size > BigInt(maxBytes)) return 'too_large'
    const { buffer, byteOffset, length } = await readFile(file)
    return { body: new Uint8Array(buffer, byteOffset, length), info }
  } finally {
    await file.close()
  }
}

/**
 * The hash of the content where conditional writes reach; a large file's size, time and inode instead,
 * since nobody compares and swaps those.
 */
export function tagOf(info: BigIntStats, body: Uint8Array | null): string {
  if (body !== null && body.byteLength <= MAX_CONDITIONAL_BYTES) return `"${hashBytes(body)}"`
  return `"${info.size}-${info.mtimeNs}-${info.ino}"`
}
