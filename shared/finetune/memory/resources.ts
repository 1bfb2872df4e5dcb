import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'

/** Kept free for everything else on the machine. */
const SPARE = 0.05
const MEGABYTE = 1e6

/** Bytes that this process may still take: what machine and container have free, less a spare. */
export function availableBytes(): number {
  return Math.floor(process.availableMemory() * (1 - SPARE))
}

/** Meter of the peak resident memory (RSS) of this process, from its creation on. */
export class PeakMemory {
  readonly #start = process.memoryUsage.rss()
  #peak = this.#start

  /** Call where memory may be at its highest. The arena of a session does not shrink. */
  sample(): void {
    this.#peak = Math.max(this.#peak, process.memoryUsage.rss())
  }

  /** Growth up to the highest sample. */
  get peakBytes(): number {
    return this.#peak - this.#start
  }
}

/**
 * Checks that the disk has room for the output.
 * @throws EspalierError `invalid_request`
 */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(resolve(folder)))
  const free = bavail * bsize
  if (free >= bytes) return
  throw new EspalierError(
    'invalid_request',
    `${folder} needs ${megabytes(bytes)}, the disk has ${megabytes(free)} free`,
  )
}

/** Bytes in words. */
export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / MEGABYTE)} MB`
}
