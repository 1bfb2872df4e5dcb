import type { Dirent } from 'node:fs'
import { lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { explainFault, systemCode } from '../../../lib/system-errors.ts'
import { type BlobEntry, FOLDER_FAULT, type ListOptions } from '../blob-store.ts'

const SEGMENT = /^[a-z0-9][a-z0-9._-]{0,127}$/

/** Files below a folder whose relative path starts with the prefix, as keys in ascending order. */
export async function* listFolder(
  root: string,
  prefix: string,
  options: ListOptions = {},
): AsyncGenerator<BlobEntry> {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  yield* walk(root, folder, prefix, options, true)
}

async function* walk(
  root: string,
  folder: string,
  prefix: string,
  options: ListOptions,
  isFirst: boolean,
): AsyncGenerator<BlobEntry> {
  options.signal?.throwIfAborted()
  let entries: Dirent[]
  try {
    entries = await readdir(join(root, folder), { withFileTypes: true })
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return
    // The folder that was asked for is the caller's business; of those below others can be listed.
    if (isFirst || !options.strays) throw error
    yield stray(folder.slice(0, -1), explainFault(error))
    return
  }
  // A folder sorts as its keys do, with the slash: `a-b` comes before `a/b`.
  const paths = entries
    .filter(({ name }) => SEGMENT.test(name))
    .map((entry) => folder + entry.name + (entry.isDirectory() ? '/' : ''))
    .sort()
  for (const path of paths) {
    if (path.endsWith('/')) {
      if (!path.startsWith(prefix) && !prefix.startsWith(path)) continue
      if (options.strays && path.startsWith(prefix)) yield stray(path.slice(0, -1), FOLDER_FAULT)
      yield* walk(root, path, prefix, options, false)
    } else if (path.startsWith(prefix)) {
      options.signal?.throwIfAborted()
      const entry = await describe(join(root, path), path)
      if (entry !== null && (options.strays || entry.fault === undefined)) yield entry
    }
  }
}

/** A file, also behind a link; null for one that was deleted since the folder was read. */
async function describe(path: string, key: string): Promise<BlobEntry | null> {
  try {
    const info = await stat(path)
    if (info.isFile()) return { key, bytes: info.size, modifiedAt: info.mtime }
    const what = info.isDirectory() ? 'it is a link to a folder' : 'it is not a regular file'
    return stray(key, what)
  } catch (error) {
    const isThere = await lstat(path).catch(() => null)
    if (isThere === null) return null
    const isLost = systemCode(error) === 'ENOENT'
    return stray(key, isLost ? 'it is a link to nothing' : explainFault(error))
  }
}

function stray(key: string, fault: string): BlobEntry {
  return { key, bytes: 0, modifiedAt: new Date(0), fault }
}
