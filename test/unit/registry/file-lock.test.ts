import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkLiveness, identifyProcess } from '../../../shared/lib/process-identity.ts'
import {
  removeVoidClaims,
  withFileLock,
} from '../../../shared/registry/stores/directory/file-lock.ts'
import { useScratch } from './scratch.ts'

const self = identifyProcess()
/** No process has this number: Linux stops at 2^22. */
const dead = { ...self, pid: 2 ** 30, start: '1' }

/** How a lock names its owner: now in a file, in version 0.1.0 as the target of a symbolic link. */
const FORMS = {
  file: (path: string, owner: object) => writeFile(path, JSON.stringify(owner)),
  'symbolic link': (path: string, owner: object) => symlink(JSON.stringify(owner), path),
} as const

/** Windows lets only some users make symbolic links; none were made there. */
const forms = Object.entries(FORMS).filter(
  ([form]) => form === 'file' || process.platform !== 'win32',
)

describe('file lock', () => {
  const scratch = useScratch()

  it('tells living processes from dead ones', () => {
    expect(checkLiveness(self, self)).toBe('alive')
    expect(checkLiveness(dead, self)).toBe('dead')
    expect(checkLiveness({ ...self, boot: 'before the restart' }, self)).toBe('dead')
    expect(checkLiveness({ ...self, host: 'elsewhere' }, self)).toBe('unknown')
    expect(checkLiveness({ ...self, namespace: 'pid:[1]' }, self)).toBe('unknown')
    // The number is in use again, by a process that started at another time.
    if (self.boot !== '') expect(checkLiveness({ ...self, start: '1' }, self)).toBe('dead')
  })

  it('tells them as far as it can where there is no /proc', async () => {
    const nowhere = join(await scratch(), 'proc')
    const plain = identifyProcess(nowhere)
    expect(plain).toMatchObject({ boot: '', namespace: '', pid: process.pid })
    expect(checkLiveness(plain, plain, nowhere)).toBe('alive')
    expect(checkLiveness({ ...plain, pid: 2 ** 30 }, plain, nowhere)).toBe('dead')
    expect(checkLiveness({ ...plain, pid: process.ppid }, plain, nowhere)).toBe('unknown')
    expect(checkLiveness({ ...plain, start: '1' }, plain, nowhere)).toBe('unknown')
    // Beside one that has it.
    if (self.boot !== '') {
      expect(checkLiveness(plain, self)).toBe('unknown')
      expect(checkLiveness(self, plain, nowhere)).toBe('unknown')
    }
  })

  it('is a plain file that names its owner', async () => {
    const folder = await scratch()
    const path = join(folder, 'lock')
    await withFileLock(path, async () => {
      expect(await readdir(folder)).toEqual(['lock'])
      const nonce = expect.stringMatching(/^[0-9a-f]{24}$/)
      expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ ...self, nonce })
    })
    expect(await readdir(folder)).toEqual([])
  })

  it.each(forms)('is inherited from dead owners, one at a time (%s)', async (_form, leave) => {
    const folder = await scratch()
    const path = join(folder, 'lock')
    await leave(path, { ...dead, nonce: 'first' })
    await leave(`${path}.first.first`, { ...dead, nonce: 'second' })
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

  it('is inherited where a power failure left it without its owner', async () => {
    const folder = await scratch()
    for (const [name, content] of [
      ['empty', ''],
      ['torn', '{"host":"a'],
      ['foreign', 'null'],
    ] as const) {
      const path = join(folder, name)
      await writeFile(path, content)
      expect(await withFileLock(path, async () => name)).toBe(name)
    }
    expect(await readdir(folder)).toEqual([])
  })

  it.each(forms)(
    'is inherited from elsewhere after holding still for long (%s)',
    async (_form, leave) => {
      const path = join(await scratch(), 'lock')
      await leave(path, { ...dead, host: 'elsewhere', nonce: 'first' })
      const patient = { waitMs: 20, presumeDeadMs: 60_000 }
      await expect(withFileLock(path, async () => 'mine', patient)).rejects.toMatchObject({
        code: 'registry_unavailable',
        message: expect.stringContaining('on elsewhere for over 0.02 s; remove it'),
      })
      const bold = { waitMs: 60_000, presumeDeadMs: 20 }
      expect(await withFileLock(path, async () => 'mine', bold)).toBe('mine')
    },
  )

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

  it.each(forms)('has void claims removed, standing ones kept (%s)', async (_form, leave) => {
    const folder = join(await scratch(), 'locks')
    await mkdir(folder)
    const leaveLock = (name: string, nonce: string) => leave(join(folder, name), { ...dead, nonce })
    await leaveLock('a', 'standing')
    await leaveLock('a.standing.standing', 'heir')
    await leaveLock('a.gone.gone', 'x')
    await leaveLock('b.gone.gone', 'x')
    await removeVoidClaims(folder)
    expect((await readdir(folder)).sort()).toEqual(['a', 'a.standing.standing'])
  })

  it('has candidates of processes that died removed, and young ones kept', async () => {
    const folder = await scratch()
    for (const name of ['a~old', 'a~young']) await FORMS.file(join(folder, name), self)
    await utimes(join(folder, 'a~old'), 1, 1)
    await removeVoidClaims(folder)
    expect(await readdir(folder)).toEqual(['a~young'])
  })
})
