import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeTinyEncoder } from '../fakes/tiny-encoder.ts'
import { startServer } from '../integration/server-process.ts'
import { createPlace, measure, note, OTHERS, SCRIPT, startChaosServer } from './chaos-process.ts'
import { DAMAGES } from './damages.ts'
import { HEALTHY } from './observe.ts'

// A file that is missing from a folder is told of as one that is damaged.
describe.each(DAMAGES)('files that are %s', (what, damage) => {
  it.each(['float32.onnx', 'float32.data', 'tokenizer.json', 'encoder.json'])(
    'in the folder of an encoder (%s): it serves on, and is refused at the next start',
    async (name) => {
      const place = await createPlace()
      await writeTinyEncoder(place.folder)
      const env = { ...place.env, ESPALIER_ENCODER: place.folder }
      const server = await startChaosServer(env)
      const path = join(place.folder, name)
      const right = await readFile(path)
      await damage(path)
      expect(await server.askAll(OTHERS)).toEqual(server.quiet)
      expect(await server.health()).toEqual(HEALTHY)
      expect(await server.process.stop()).toBe(0)
      const refused = await startServer(SCRIPT, { ...env, ESPALIER_LOG_LEVEL: 'error' })
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(name) })
      await writeFile(path, right)
      const mended = await startChaosServer(env)
      expect(mended.quiet).toEqual(server.quiet)
    },
  )

  it('in the cache: they are fetched anew at the next start', async () => {
    const { folder, env } = await createPlace()
    const server = await startChaosServer(env)
    const blobs = join(folder, 'cache/registry/sha256')
    for (const name of await readdir(blobs)) await damage(join(blobs, name))
    expect(await server.askAll(OTHERS)).toEqual(server.quiet)
    expect(await server.health()).toEqual(HEALTHY)
    expect(await server.process.stop()).toBe(0)
    const times = await measure(1, async () => {
      expect((await startChaosServer(env)).quiet).toEqual(server.quiet)
    })
    note(`a start with a cache that is ${what}`, times)
  })
})
