import { execFileSync } from 'node:child_process'
import { chmod, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { asNobody } from '../fakes/nobody.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import {
  type ChaosServer,
  createPlace,
  measure,
  note,
  OTHERS,
  startChaosServer,
} from './chaos-process.ts'
import { HEALTHY } from './observe.ts'

const FOUR_MIB = 4 * 1024 * 1024

/** Mounts a small disk; false where this machine does not let us. */
function mountSmallDisk(folder: string): boolean {
  try {
    const options = ['-t', 'tmpfs', '-o', `size=${FOUR_MIB},mode=777`, 'tmpfs', folder]
    execFileSync('mount', options, { stdio: 'ignore' })
  } catch {
    return false
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]))
  return true
}

/** Fills a disk to its last byte. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (const size of [65_536, 4_096, 1]) {
      while (await file.write(Buffer.alloc(size)).catch(() => null)) {}
    }
  } finally {
    await file.close()
  }
}

/** A new version of the default encoder cannot be stored: it waits, and all else is answered. */
async function checkWaits(server: ChaosServer, what: string, mend: () => Promise<unknown>) {
  const others = OTHERS.filter(([path]) => path !== '/v1/embeddings')
  const quiet = await server.askAll(others)
  const noticed = await server.waitFor({ ...HEALTHY, degraded: ['words@v2'] })
  const beside = await measure(50, async () => {
    expect(await server.askAll(others)).toEqual(quiet)
  })
  expect(await server.askAll(OTHERS)).toEqual(server.quiet)
  expect(await server.metric('espalier_models_degraded')).toBe(1)
  await mend()
  const mended = await server.waitFor(HEALTHY)
  expect((await server.ask('/info')).text).toContain('"model_version":2')
  expect(await server.askAll(others)).toEqual(quiet)
  note(what, { noticed, beside, mended })
  expect(mended).toBeLessThan(40)
}

const another = { changes: { createdWith: 'another release' } }

it('a cache on a full disk keeps a new encoder waiting, and nothing else', async ({ skip }) => {
  const place = await createPlace()
  const cache = join(place.folder, 'small')
  await mkdir(cache)
  if (!mountSmallDisk(cache)) skip('a small disk needs root and the right to mount')
  const server = await startChaosServer({ ...place.env, ESPALIER_CACHE: cache })
  await fill(join(cache, 'filler'))
  await publishTinyEncoder(place.registry, 'words', another)
  await checkWaits(server, 'a full disk', () => rm(join(cache, 'filler')))
})

it('a cache that may not be written keeps a new encoder waiting, and nothing else', async () => {
  const place = await createPlace()
  const cache = join(place.folder, 'cache')
  const server = await startChaosServer(place.env, { user: asNobody })
  const setMode = async (mode: number) => {
    const names = await readdir(cache, { recursive: true })
    for (const path of [cache, ...names.map((name) => join(cache, name))]) {
      if ((await stat(path)).isDirectory()) await chmod(path, mode)
    }
  }
  await setMode(0o555)
  await publishTinyEncoder(place.registry, 'words', another)
  await checkWaits(server, 'a read-only cache', () => setMode(0o755))
})
