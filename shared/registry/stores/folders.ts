import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isTagOfDead, processTag } from '../../lib/process-identity.ts'
import { systemCode } from '../../lib/system-errors.ts'

/** A temporary file that nobody wrote to for this long was left by a process that died, on whatever machine. */
const STALE_AFTER_MS = 3_600_000

/** Makes the entries of a folder survive a power failure, where the file system lets folders be synced. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    if (!['EINVAL', 'EPERM', 'ENOTSUP'].includes(systemCode(error) ?? '')) throw error
  } finally {
    await folder.close()
  }
}

/** Creates a folder and its parents; those that are new survive a power failure. */
export async function ensureFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) {
    await syncFolder(dirname(folder))
  }
}

/** Hands out names for temporary files in one folder, and removes those that dead processes left there. */
export class TemporaryFolder {
  readonly path: string
  #ready: Promise<void> | null = null

  constructor(path: string) {
    this.path = path
  }

  /** A name that no file has. */
  async next(): Promise<string> {
    this.#ready ??= this.#prepare()
    try {
      await this.#ready
    } catch (error) {
      this.#ready = null
      throw error
    }
    return join(this.path, `${processTag()}-${randomBytes(9).toString('hex')}`)
  }

  /** Removes what dead processes left, and says how many files that were; a folder that is not there has none. */
  async clean(): Promise<number> {
    let removed = 0
    const names = await readdir(this.path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return []
      throw error
    })
    for (const name of names) {
      const path = join(this.path, name)
      // Another process may clean at the same time.
      const found = await stat(path).catch(() => null)
      if (!found?.isFile()) continue
      const isOld = Date.now() - found.mtimeMs > STALE_AFTER_MS
      if (!isOld && !isTagOfDead(name.replace(/-[^-]*$/, ''))) continue
      await rm(path, { force: true })
      removed++
    }
    return removed
  }

  async #prepare(): Promise<void> {
    await ensureFolder(this.path)
    await this.clean()
  }
}
