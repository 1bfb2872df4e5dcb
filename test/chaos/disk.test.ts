import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import { createFullDiskStore } from '../fakes/full-disk-store.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { bundleWorker } from '../worker-bundle.ts'
import { createEncoderSystem, type EncoderSystem, NEEDS_PETS, OTHERS } from './encoder-system.ts'
import { HEALTHY, type Observer } from './observe.ts'

let workerUrl: URL
let system: EncoderSystem
let disk: { full: boolean }
let seen: Observer
let quiet: readonly string[]

beforeAll(async () => {
  workerUrl = await bundleWorker()
})
beforeEach(async () => {
  system = await createEncoderSystem(workerUrl)
  disk = { full: false }
  const store = openDirectoryStore(join(system.folder, 'registry'))
  seen = await system.serve(createFullDiskStore(store, disk))
  quiet = await seen.askAll(OTHERS)
})

describe('a disk that is full', () => {
  it('keeps the new version of an encoder waiting, and nothing else', async () => {
    await publishTinyEncoder(system.registry, 'words', { changes: { createdWith: 'another' } })
    disk.full = true
    const told = await seen.refresh()
    expect(told).toContain('disk is full')
    expect(await seen.health()).toEqual({ ...HEALTHY, degraded: ['words@v2'] })
    expect(await seen.metric('espalier_models_degraded')).toBe(1)
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    disk.full = false
    system.later(1_100)
    await seen.refresh()
    expect(await seen.health()).toEqual(HEALTHY)
    expect((await seen.ask('/info')).text).toContain('"model_version":2')
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
  })

  it('fails the requests that need a file which is not there yet, and no others', async () => {
    disk.full = true
    const [path, body] = NEEDS_PETS[0]!
    const refused = await seen.ask(path, body)
    expect(refused.status).toBe(503)
    expect(refused.text).toContain('disk is full')
    expect(await seen.health()).toMatchObject({ ready: 200, live: 200 })
    expect(await seen.metric('espalier_errors_total{code="registry_unavailable"}')).toBe(1)
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    disk.full = false
    expect((await seen.ask(path, body)).status).toBe(200)
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    expect(await seen.health()).toEqual(HEALTHY)
  })
})
