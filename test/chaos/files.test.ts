import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { blobKey } from '../../shared/registry/records/names.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { bundleWorker } from '../worker-bundle.ts'
import { DAMAGES } from './damages.ts'
import { createEncoderSystem, type EncoderSystem, NEEDS_PETS, OTHERS } from './encoder-system.ts'
import { HEALTHY } from './observe.ts'

let workerUrl: URL
let system: EncoderSystem

beforeAll(async () => {
  workerUrl = await bundleWorker()
})
beforeEach(async () => {
  system = await createEncoderSystem(workerUrl)
})

describe.each(DAMAGES)('files that are %s', (_, damage) => {
  it('in the cache: what is loaded serves on, and what is opened is fetched anew', async () => {
    const seen = await system.serve()
    const quiet = await seen.askAll(OTHERS)
    const blobs = join(system.cache, 'registry/sha256')
    for (const name of await readdir(blobs)) await damage(join(blobs, name))
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    const [pets] = await seen.askAll(NEEDS_PETS)
    expect(await seen.health()).toEqual(HEALTHY)
    // All of it again, as a process finds it that starts now.
    for (const name of await readdir(blobs)) await damage(join(blobs, name))
    const later = await system.serve()
    expect(await later.askAll(OTHERS)).toEqual(quiet)
    expect(await later.askAll(NEEDS_PETS)).toEqual([pets])
    expect(await later.health()).toEqual(HEALTHY)
  })

  it('in the registry: that version alone is refused, until its bytes are right', async () => {
    const seen = await system.serve()
    const quiet = await seen.askAll([...OTHERS, ...NEEDS_PETS])
    const version = await publishTinyEncoder(system.registry, 'words', {
      changes: { createdWith: 'another release' },
      promote: false,
    })
    const file = version.files.find(({ path }) => path === 'encoder.json')!
    const path = join(system.folder, 'registry', blobKey(file.sha256))
    const right = await readFile(path)
    await damage(path)
    await system.registry.promote('words', version.version)
    await seen.refresh()
    expect(await seen.health()).toEqual({ ...HEALTHY, degraded: ['words@v2'] })
    expect(await seen.metric('espalier_models_degraded')).toBe(1)
    expect(await seen.metric('espalier_encoders_refused_total')).toBe(1)
    expect(await seen.askAll([...OTHERS, ...NEEDS_PETS])).toEqual(quiet)
    await writeFile(path, right)
    system.later(1_100)
    await seen.refresh()
    expect(await seen.health()).toEqual(HEALTHY)
    expect((await seen.ask('/info')).text).toContain('"model_version":2')
    expect(await seen.askAll([...OTHERS, ...NEEDS_PETS])).toEqual(quiet)
  })
})
