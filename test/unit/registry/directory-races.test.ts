import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import { type Script, useScript } from './run-script.ts'
import { bytesOf, collect, useScratch } from './scratch.ts'

const LIMIT = { maxBytes: 1024 }

async function release(scripts: readonly Script[]): Promise<string[][]> {
  for (const script of scripts) expect(await script.nextLine()).toBe('ready')
  for (const { child } of scripts) child.stdin!.end('go\n')
  return Promise.all(scripts.map((script) => script.end()))
}

async function readNumber(folder: string): Promise<number> {
  const found = await openDirectoryStore(folder).get('counter', LIMIT)
  if (found.status !== 'found') throw new Error(found.status)
  return Number(new TextDecoder().decode(found.body))
}

describe('directory store between processes', () => {
  const scratch = useScratch()
  const scripts = useScript('race')

  /** Starts processes, lets them go at the same moment and returns what each printed. */
  async function race(processes: number, ...args: string[]): Promise<string[][]> {
    return release(Array.from({ length: processes }, () => scripts.start(...args)))
  }

  it('has one creator and one swapper per key, of 20 processes', async () => {
    const rounds = 10
    const all = Array.from({ length: rounds }, (_, round) => `${round}`)
    const created = await scratch()
    const creators = await race(20, created, 'create', `${rounds}`)
    expect(creators.flat().sort()).toEqual(all)

    const swapped = await scratch()
    const store = openDirectoryStore(swapped)
    for (const round of all) await store.put(`rounds/${round}`, bytesOf('start'))
    const swappers = await race(20, swapped, 'swap', `${rounds}`)
    expect(swappers.flat().sort()).toEqual(all)
    expect(await readdir(join(swapped, '.tmp'))).toEqual([])
    expect(await readdir(join(swapped, '.locks'))).toEqual([])
  }, 120_000)

  it('counts to 100 by 10 processes that add 10 each', async () => {
    const folder = await scratch()
    await openDirectoryStore(folder).put('counter', bytesOf('0'))
    await race(10, folder, 'count', '10')
    expect(await readNumber(folder)).toBe(100)
  })

  it('counts right without symbolic links and /proc, beside processes that have them', async () => {
    const folder = await scratch()
    await openDirectoryStore(folder).put('counter', bytesOf('0'))
    const { start, startPlain } = scripts
    const starts = [startPlain, start, startPlain, startPlain]
    await release(starts.map((each) => each(folder, 'count', '10')))
    expect(await readNumber(folder)).toBe(40)
    expect(await readdir(join(folder, '.locks'))).toEqual([])
  })

  it.each([
    ['with', 'start'],
    ['without', 'startPlain'],
  ] as const)(
    'loses no acknowledged swap and no lock to kill -9, %s /proc',
    async (_what, how) => {
      const folder = await scratch()
      await openDirectoryStore(folder).put('counter', bytesOf('0'))
      let acknowledged = 0
      let unknown = 0
      for (let round = 0; round < 4; round++) {
        const running = Array.from({ length: 3 }, () => scripts[how](folder, 'count', '100000'))
        for (const script of running) await script.nextLine()
        for (const { child } of running) child.stdin!.end('go\n')
        for (const [at, script] of running.entries()) {
          // Each falls at another point of its work; the others go on and inherit its lock.
          for (let lines = 0; lines < 3 + 5 * at + round; lines++) {
            await script.nextLine()
            acknowledged++
          }
          const killed = script.kill()
          while ((await script.nextLine()) !== null) acknowledged++
          await killed
          unknown++
        }
      }
      const counted = await readNumber(folder)
      expect(counted).toBeGreaterThanOrEqual(acknowledged)
      expect(counted).toBeLessThanOrEqual(acknowledged + unknown)
      expect((await collect(openDirectoryStore(folder).list(''))).map(({ key }) => key)).toEqual([
        'counter',
      ])
    },
    120_000,
  )

  it('removes temporary files that a dead process left, and spares fresh ones', async () => {
    const folder = await scratch()
    await openDirectoryStore(folder).put('a', bytesOf('x'))
    const old = join(folder, '.tmp', '1-old')
    await writeFile(old, 'half')
    await utimes(old, new Date(0), new Date(0))
    await writeFile(join(folder, '.tmp', '2-young'), 'half')
    await openDirectoryStore(folder).put('b', bytesOf('x'))
    expect(await readdir(join(folder, '.tmp'))).toEqual(['2-young'])
  })
})
