import { randomBytes } from 'node:crypto'
import { access, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import { explainRefusal } from '../../lib/system-errors.ts'

const PARTIAL_SUFFIX = '.partial-'
/** A folder of an export that was killed; no export takes this long. */
const STALE_MS = 6 * 3_600_000

/** What a rename answers where a folder with content has the name. */
const TAKEN: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST'])

/** What to do when the folder exists already. */
export type Existing = 'refuse' | 'keep'

/**
 * Fills a folder beside its final place and renames it when whole: it appears complete or not at all, also
 * when two processes make the same one.
 * @throws EspalierError `invalid_request` when the folder exists and `existing` is `refuse`
 */
export async function writeFolder(
  target: string,
  existing: Existing,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const path = resolve(target)
  if (existing === 'refuse' && (await exists(path))) throw alreadyThere(target)
  await mkdir(dirname(path), { recursive: true })
  await removeStale(path)
  const partial = `${path}${PARTIAL_SUFFIX}${process.pid}-${randomBytes(4).toString('hex')}`
  await mkdir(partial)
  try {
    await fill(partial)
    await syncFolder(partial)
    await renameFolder(partial, path, target, existing)
    await syncFolder(dirname(path))
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

/**
 * `writeFolder` for artifacts: what is kept where it exists lies in the cache, what is not was named by somebody.
 * @throws EspalierError `invalid_config`, or `invalid_request` for a named folder, where the file system refuses
 */
export async function writeArtifact(
  target: string,
  existing: Existing,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const isCache = existing === 'keep'
  try {
    await writeFolder(target, existing, fill)
  } catch (cause) {
    const elsewhere = isCache ? 'set ESPALIER_CACHE to another folder' : 'name another folder'
    const why = isBelow(dirname(resolve(target)), cause) ? explainRefusal(cause, elsewhere) : null
    if (why === null) throw cause
    const message = `${target} cannot be written: ${why}; nothing was left there`
    throw new EspalierError(isCache ? 'invalid_config' : 'invalid_request', message, {
      cause,
      ...(isCache && { param: 'ESPALIER_CACHE' }),
    })
  }
}

/** True for a fault below a folder, in it or above it; writing to a file that is open names no path. */
function isBelow(folder: string, cause: unknown): boolean {
  const path = cause instanceof Error && 'path' in cause ? String(cause.path) : folder
  return path.startsWith(folder) || folder.startsWith(path)
}

async function renameFolder(
  partial: string,
  path: string,
  target: string,
  existing: Existing,
): Promise<void> {
  try {
    await rename(partial, path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    // Windows says EPERM of a folder that is there.
    const isThere = TAKEN.has(code) || (code === 'EPERM' && (await exists(path)))
    if (!isThere) throw error
    if (existing === 'refuse') throw alreadyThere(target)
  }
}

function alreadyThere(target: string): EspalierError {
  return new EspalierError(
    'invalid_request',
    `${target} exists already; name another folder or remove it first`,
  )
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function removeStale(path: string): Promise<void> {
  const folder = dirname(path)
  for (const name of await readdir(folder)) {
    if (!name.startsWith(basename(path) + PARTIAL_SUFFIX)) continue
    const info = await stat(join(folder, name)).catch(() => null)
    if (info && Date.now() - info.mtimeMs > STALE_MS) {
      await rm(join(folder, name), { recursive: true, force: true })
    }
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Windows syncs no folders.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
  } finally {
    await handle.close()
  }
}
