import { chown, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** The user of systems who owns nothing. */
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0

/** For `spawn`: no file is kept from root, so where the tests run as root the process is nobody's. */
export const asNobody = isRoot ? { uid: NOBODY, gid: NOBODY } : {}

/** Gives root's rights up for good, for processes that have loaded what they need. */
export function becomeNobody(): void {
  if (isRoot) process.setuid?.(NOBODY)
}

/**
 * Does the work as a user from whom files can be kept by their mode; a folder and all in it is handed to that user.
 * Rights come back after it.
 */
export async function withoutRoot<T>(folder: string, work: () => Promise<T>): Promise<T> {
  if (!isRoot) return work()
  const entries = await readdir(folder, { recursive: true })
  for (const path of [folder, ...entries.map((entry) => join(folder, entry))]) {
    await chown(path, NOBODY, NOBODY)
  }
  process.setegid?.(NOBODY)
  process.seteuid?.(NOBODY)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}
