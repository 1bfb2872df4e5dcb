import { mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  removeVoidClaims,
  withFileLock,
} from '../../../shared/registry/stores/directory/file-lock.ts'
import {
  checkLiveness,
  identifyProcess,
} from '../../../shared/registry/stores/directory/process-identity.ts'
import { useScratch } from './scratch.ts'

const self = identifyProcess()
/** No process has this number: Linux stops at 2^22. */
const dead = { ...self, pid: 2 ** 30, start: '1' }

function leaveLock(path: string, nonce: string): Promise<void> {
  return symlink(JSON.stringify({ ...dead, nonce }), path)
}

describe('file lock', () => {
  const scratch = useScratch()

  it('tells living processes from dead ones', () => {
    expect(checkLiveness(self, self)).toBe('alive')
    expect(checkLiveness(dead, self)).toBe('dead')
    expect(checkLiveness({ ...self, boot: 'before the restart' }, self)).toBe('dead')
    expect(checkLiveness({ ...self, host: 'elsewhere' }, self)).toBe('unknown')
    expect(checkLiveness({ ...self, namespace: 'pid:[1]' }, self)).toBe('unknown')
    // The number is in use again, by a process that started at another time.
    if (self.start !== '') expect(checkLiveness({ ...self, start: '1' }, self)).toBe('dead')
  })

  it('is inherited from a dead owner, and from a dead heir, by one at a time', async () => {
    const folder = await scratch()
    const path = join(folder, 'lock')
    await leaveLock(path, 'first')
    await leaveLock(`${path}.first.first`, 'second')
    let inside = 0
    let most = 0
    const turn = () =>
      withFileLock(path, async () => {
        most = Math.max(most, ++inside)
        await new Promise((resolve) => setImmediate(resolve))
        inside--
      })
    await Promise.all(Array.from({ length: 20 }, turn))
    expect(most).toBe(1)
    expect(await readdir(folder)).toEqual([])
  })

  it('is inherited from an owner elsewhere only after holding still for long', async () => {
    const path = join(await scratch(), 'lock')
    await symlink(JSON.stringify({ ...dead, host: 'elsewhere', nonce: 'first' }), path)
    const patient = { waitMs: 20, presumeDeadMs: 60_000 }
    await expect(withFileLock(path, async () => 'mine', patient)).rejects.toMatchObject({
      code: 'registry_unavailable',
      message: expect.stringContaining('on elsewhere for over 0.02 s; remove it'),
    })
    const bold = { waitMs: 60_000, presumeDeadMs: 20 }
    expect(await withFileLock(path, async () => 'mine', bold)).toBe('mine')
  })

  it('is released when the action fails', async () => {
    const path = join(await scratch(), 'lock')
    const failed = withFileLock(path, () => Promise.reject(new Error('no')))
    await expect(failed).rejects.toThrow('no')
    expect(await withFileLock(path, async () => 'free')).toBe('free')
  })

  it('can be given up while waiting', async () => {
    const path = join(await scratch(), 'lock')
    const abort = new AbortController()
    await withFileLock(path, async () => {
      const waiting = withFileLock(path, async () => 'never', { signal: abort.signal })
      abort.abort(new Error('left'))
      await expect(waiting).rejects.toThrow()
    })
    expect(await withFileLock(path, async () => 'free')).toBe('free')
  })

  it('has void claims removed and claims on a standing lock kept', async () => {
    const folder = join(await scratch(), 'locks')
    await mkdir(folder)
    await leaveLock(join(folder, 'a'), 'standing')
    await leaveLock(join(folder, 'a.standing.standing'), 'heir')
    await leaveLock(join(folder, 'a.gone.gone'), 'x')
    await leaveLock(join(folder, 'b.gone.gone'), 'x')
    await removeVoidClaims(folder)
    expect((await readdir(folder)).sort()).toEqual(['a', 'a.standing.standing'])
  })
})
