import { accessSync, type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
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
): Promise<{ body: Uint8Array; info: BigIntStats } | 'too_large' | 'no_file' | null> {
  // Without waiting, should somebody have put a pipe there.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK
  const file: FileHandle | null = await open(path, flags).catch(nullIfMissing)
  if (file === null) return null
  try {
    const info = await file.stat({ bigint: true })
    if (!info.isFile()) return 'no_file'
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

/** What can be the matter with one file while all others are read. */
const OBJECT_FAULTS = new Set(['EACCES', 'EPERM', 'ELOOP', 'EISDIR', 'EIO', 'ENAMETOOLONG'])

/** True for a fault of one object, or of a folder inside a store, as against one of the whole store. */
export function isOfObject(root: string, key: string, code: string | undefined): boolean {
  if (code === undefined || !OBJECT_FAULTS.has(code)) return false
  const [first = '', ...rest] = key.split('/')
  try {
    accessSync(root, constants.R_OK | constants.X_OK)
    if (rest.length === 0) return first !== ''
    accessSync(join(root, first), constants.R_OK | constants.X_OK)
    return rest.some((segment) => segment !== '')
  } catch {
    return false
  }
}

/** Throws where a folder, or the nearest one above it that is there, may not be written. */
export function accessNearest(folder: string): void {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    const above = dirname(folder)
    if (systemCode(error) !== 'ENOENT' || above === folder) throw error
    accessNearest(above)
  }
}
