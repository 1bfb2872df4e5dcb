import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { publishHead } from '../fakes/heads.ts'
import { asNobody } from '../fakes/nobody.ts'
import {
  type ChaosPlace,
  createPlace,
  measure,
  note,
  OTHERS,
  startChaosServer,
  wordsHead,
} from './chaos-process.ts'
import { HEALTHY } from './observe.ts'

type Break = (place: ChaosPlace) => Promise<() => Promise<void>>

const STATE = 'models/evil/state.json'
const MANIFEST = 'models/evil/versions/1.json'

/** Puts something in the place of a file, and returns what puts it back. */
const replace =
  (key: string, put: (path: string) => Promise<unknown>): Break =>
  async ({ registryFolder }) => {
    const path = join(registryFolder, key)
    await rename(path, `${path}~`)
    await put(path)
    return async () => {
      await rm(path, { recursive: true, force: true })
      await rename(`${path}~`, path)
    }
  }

/** Takes everybody's rights, and returns what gives them back. */
const forbid =
  (key: string, mode: number): Break =>
  async ({ registryFolder }) => {
    await chmod(join(registryFolder, key), 0)
    return () => chmod(join(registryFolder, key), mode)
  }

const damageBlob: Break = async ({ registryFolder }) => {
  const manifest = JSON.parse(await readFile(join(registryFolder, MANIFEST), 'utf8'))
  return replace(`blobs/sha256/${manifest.files[0].sha256}`, (path) =>
    writeFile(path, 'other bytes'),
  )({ registryFolder } as ChaosPlace)
}

const addStray: Break = async ({ registryFolder }) => {
  const stray = join(registryFolder, 'models/assistant..bak')
  await mkdir(join(stray, 'versions'), { recursive: true })
  await writeFile(join(stray, 'versions/1.json'), '{}')
  return () => rm(stray, { recursive: true })
}

const FAULTS: Record<string, { readonly break: Break; readonly degraded: string }> = {
  'a state that may not be read': { break: forbid(STATE, 0o644), degraded: 'evil' },
  'a folder that may not be looked into': { break: forbid('models/evil', 0o755), degraded: 'evil' },
  'a state that is a link to itself': {
    break: replace(STATE, (path) => symlink(path, path)),
    degraded: 'evil',
  },
  'a folder in place of a manifest': {
    break: replace(MANIFEST, (path) => mkdir(path)),
    degraded: 'evil',
  },
  'a manifest of a newer schema': {
    break: replace(MANIFEST, (path) => writeFile(path, '{"schema":9,"files":[]}')),
    degraded: 'evil',
  },
  'a state of wrong bytes': {
    break: replace(STATE, (path) => writeFile(path, Buffer.of(0, 255, 3))),
    degraded: 'evil',
  },
  'a name out of bounds': { break: addStray, degraded: 'assistant..bak' },
  'wrong bytes of a blob': { break: damageBlob, degraded: 'evil@v1' },
}

it.each(Object.keys(FAULTS))('%s: all others are answered, until it is put right', async (what) => {
  const place = await createPlace()
  await publishHead(place.registry, 'evil', wordsHead('evil'))
  const { break: damage, degraded } = FAULTS[what]!
  const mend = await damage(place)
  const server = await startChaosServer(place.env, { user: asNobody }).catch(async (error) => {
    await mend()
    throw error
  })
  // A file is looked at when it is needed.
  const asked = await server.ask('/classify', { inputs: 'a', model: 'evil' })
  const noticed = await server.waitFor({ ...HEALTHY, degraded: [degraded] })
  const beside = await measure(50, async () => {
    expect(await server.askAll(OTHERS)).toEqual(server.quiet)
  })
  expect(await server.metric('espalier_models_degraded')).toBe(1)
  await mend()
  // No record changes with a folder of no model's: a reading of everything notices it, every five minutes or now.
  if (what === 'a name out of bounds') await server.refresh()
  const mended = await server.waitFor(HEALTHY)
  const after = await server.ask('/classify', { inputs: 'a', model: 'evil' })
  expect(after.status).toBe(200)
  expect(await server.askAll(OTHERS)).toEqual(server.quiet)
  note(what, { asked: asked.status, noticed, mended, beside })
  expect(mended).toBeLessThan(40)
})
