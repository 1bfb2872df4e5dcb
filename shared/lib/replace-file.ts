import { rename } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** What Windows answers while somebody, a virus scanner for one, has one of the two open. */
const IN_USE = new Set(['EPERM', 'EACCES', 'EBUSY'])
/** Pauses between attempts, milliseconds: some two seconds in all. */
const PAUSES_MS = [10, 20, 50, 100, 200, 400, 600, 800]

/** How a file is moved, for tests. */
export interface ReplaceOptions {
  readonly platform?: NodeJS.Platform | undefined
  readonly pausesMs?: readonly number[] | undefined
  readonly move?: ((from: string, to: string) => Promise<void>) | undefined
}

/**
 * Moves a file to a name in one step, over a file that has it. Windows refuses that while one of them is open
 * elsewhere; there it is tried again for about two seconds.
 */
export async function replaceFile(
  from: string,
  to: string,
  { platform = process.platform, pausesMs = PAUSES_MS, move = rename }: ReplaceOptions = {},
): Promise<void> {
  for (const pauseMs of platform === 'win32' ? pausesMs : []) {
    try {
      return await move(from, to)
    } catch (error) {
      if (!IN_USE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
    await sleep(pauseMs)
  }
  await move(from, to)
}
