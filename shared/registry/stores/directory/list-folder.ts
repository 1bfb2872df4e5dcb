import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../../lib/system-errors.ts'
import type { BlobEntry } from '../blob-store.ts'

const SEGMENT = /^[a-z0-9][a-z0-9._-]{0,127}$/

/** Files below a folder whose relative path starts with the prefix, as keys in ascending order. */
export async function* listFolder(
  root: string,
  prefix: string,
  signal?: AbortSignal | undefined,
): AsyncGenerator<BlobEntry> {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  yield* walk(root, folder, prefix, signal)
}

async function* walk(
  root: string,
  folder: string,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<BlobEntry> {
  signal?.throwIfAborted()
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((error) => {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return []
    throw error
  })
  // A folder sorts as its keys do, with the slash: `a-b` comes before `a/b`.
  const paths = entries
    .filter((entry) => SEGMENT.test(entry.name) && (entry.isFile() || entry.isDirectory()))
    .map((entry) => folder + entry.name + (entry.isDirectory() ? '/' : ''))
    .sort()
  for (const path of paths) {
    if (path.endsWith('/')) {
      if (path.startsWith(prefix) || prefix.startsWith(path))
        yield* walk(root, path, prefix, signal)
    } else if (path.startsWith(prefix)) {
      signal?.throwIfAborted()
      // It may have been deleted since the folder was read.
      const info = await stat(join(root, path)).catch(() => null)
      if (info !== null) yield { key: path, bytes: info.size, modifiedAt: info.mtime }
    }
  }
}
