import { describe, expect, it } from 'vitest'
import { replaceFile } from '../../../shared/lib/replace-file.ts'

/** A move that fails with these codes in turn, and then succeeds. */
function failing(...codes: string[]) {
  let moves = 0
  const move = async () => {
    const code = codes[moves++]
    if (code !== undefined) throw Object.assign(new Error(code), { code })
  }
  return { move, moves: () => moves }
}

const windows = { platform: 'win32', pausesMs: [0, 0, 0, 0] } as const

describe('replaceFile', () => {
  it('tries again on Windows while one of the files is open elsewhere', async () => {
    const { move, moves } = failing('EPERM', 'EBUSY', 'EACCES')
    await replaceFile('a', 'b', { ...windows, move })
    expect(moves()).toBe(4)
  })

  it('gives up at once for other reasons, and on other systems', async () => {
    for (const [platform, code] of [
      ['win32', 'ENOENT'],
      ['linux', 'EPERM'],
    ] as const) {
      const { move, moves } = failing(code)
      await expect(replaceFile('a', 'b', { platform, move })).rejects.toMatchObject({ code })
      expect(moves()).toBe(1)
    }
  })

  it('passes the last failure on', async () => {
    const { move, moves } = failing(...Array.from({ length: 20 }, () => 'EPERM'))
    const call = replaceFile('a', 'b', { ...windows, move })
    await expect(call).rejects.toMatchObject({ code: 'EPERM' })
    expect(moves()).toBe(5)
  })
})
