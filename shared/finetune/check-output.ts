import { access, constants, mkdir, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { EspalierError } from '../lib/errors.ts'

/**
 * Finds out before training whether its result can be written.
 * @throws EspalierError `invalid_request` where the folder exists or cannot be made
 */
export async function checkOutput(folder: string): Promise<void> {
  const path = resolve(folder)
  if (await isThere(path)) {
    throw refuse(`${folder} exists already; name another folder or remove it first`)
  }
  try {
    await mkdir(dirname(path), { recursive: true })
    await access(dirname(path), constants.W_OK)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw refuse(`${folder} cannot be made: ${reason}`, cause)
  }
}

/**
 * Finds out whether the disk has room, once it is known for how much.
 * @throws EspalierError `invalid_request`
 */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(resolve(folder)))
  const free = bavail * bsize
  if (free >= bytes) return
  throw refuse(`${folder} needs ${show(bytes)}, the disk has ${show(free)} free`)
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function refuse(message: string, cause?: unknown): EspalierError {
  return new EspalierError('invalid_request', message, { cause })
}

function show(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`
}
