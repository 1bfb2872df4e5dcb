import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { infoSchema } from '../../shared/contract/info.ts'
import { modelListSchema } from '../../shared/contract/models.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { openModelRegistry } from '../../shared/versions/open-model-registry.ts'
import {
  createFakeSources,
  type FakeSources,
  type FakeSourcesOptions,
  publishFakeEncoder,
} from '../fakes/fake-sources.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { type LiveApp, openLiveApp } from '../fakes/live-app.ts'
import { postJson } from '../fakes/post-json.ts'

const B = 'b'.repeat(64)
let registry: Registry
let sources: FakeSources
let served: LiveApp | undefined

beforeEach(() => {
  registry = createTestRegistry()
  served = undefined
})
afterEach(() => served?.live.close())

async function serve(
  encoder: string,
  options: FakeSourcesOptions & { env?: Record<string, string> } = {},
): Promise<void> {
  sources = createFakeSources(options)
  const { env } = options
  served = await openLiveApp({ encoder, registry, sources, ...(env && { env }) })
}

const refresh = () => served!.live.classifiers.refresh()

/** The version that embeds, or the error's code. */
async function embed(model?: string): Promise<string> {
  const response = await postJson(served!.app, '/v1/embeddings', { input: 'hi', model })
  const body = (await response.json()) as { model?: string; error?: { code: string } }
  if (!response.ok) return body.error!.code
  expect(response.headers.get('x-espalier-model')).toBe(body.model)
  return body.model!
}

async function classify(model: string | string[], more: object = {}) {
  const response = await postJson(served!.app, '/classify', { inputs: ['hi'], model, ...more })
  const text = await response.text()
  if (!response.ok) return { status: response.status, error: JSON.parse(text).error }
  const { data, usage } = JSON.parse(text)
  const answers = data[0].predictions.map(
    (each: { model: string; label: string }) => `${each.model}:${each.label.slice(0, -1)}`,
  )
  return { status: 200, answers, usage, encoders: response.headers.get('x-espalier-model') }
}

describe('the default encoder', () => {
  it('is the champion of the registry, and moves with it', async () => {
    await publishFakeEncoder(registry, 'words')
    await serve('words')
    expect(await embed()).toBe('words@v1')
    await publishFakeEncoder(registry, 'words')
    await registry.promote('words', 1, { alias: 'challenger' })
    expect(await embed('words')).toBe('words@v1')
    const { changes } = await refresh()
    expect(changes).toContainEqual({
      model: 'words',
      change: 'alias',
      alias: 'champion',
      from: 1,
      to: 2,
    })
    for (const name of [undefined, 'words', 'words@champion', 'words@v2', 'Words']) {
      expect(await embed(name)).toBe('words@v2')
    }
    const list = modelListSchema.parse(await (await served!.app.request('/v1/models')).json())
    expect(list.data[0]).toMatchObject({
      id: 'words',
      version: 2,
      versions: [1, 2],
      aliases: { champion: 2, challenger: 1 },
    })
    const info = infoSchema.parse(await (await served!.app.request('/info')).json())
    expect(info.model_version).toBe(2)
    await registry.rollback('words')
    await refresh()
    expect(await embed()).toBe('words@v1')
    expect(sources.openNow()).toEqual(['words@v1'])
  })

  it('finishes what it has accepted before it closes', async () => {
    const [inside, pass] = [gate(), gate()]
    let hold = true
    const slow = async () => {
      if (!hold) return
      hold = false
      inside.open()
      await pass.promise
    }
    await publishFakeEncoder(registry, 'words')
    await serve('words', { versions: { 'words@v1': { gate: slow } } })
    const early = embed()
    await inside.promise
    await publishFakeEncoder(registry, 'words')
    await refresh()
    expect(await embed()).toBe('words@v2')
    expect(sources.openNow()).toEqual(['words@v1', 'words@v2'])
    pass.open()
    expect(await early).toBe('words@v1')
    expect(sources.openNow()).toEqual(['words@v2'])
  })

  it('serves on while the new one is opened, and takes the newest in the end', async () => {
    const [opening, pass] = [gate(), gate()]
    const onOpen = async (label: string) => {
      if (label !== 'words@v2') return
      opening.open()
      await pass.promise
    }
    await publishFakeEncoder(registry, 'words')
    await serve('words', { onOpen })
    await publishFakeEncoder(registry, 'words')
    const refreshed = refresh()
    await opening.promise
    expect(await embed()).toBe('words@v1')
    await publishFakeEncoder(registry, 'words')
    // A head's promotion does not wait for an encoder on its way in.
    await publishHead(registry, 'intent', createTestHead('first'))
    const again = refresh()
    const answers = async () => (await classify('intent')).answers
    await expect.poll(answers).toEqual(['intent@v1:first'])
    pass.open()
    await Promise.all([refreshed, again])
    expect(await embed()).toBe('words@v3')
    expect(sources.openNow()).toEqual(['words@v3'])
  })

  it('stays where the new version is bad, with one line in the log, and moves past it', async () => {
    const onOpen = async (label: string) => {
      if (label === 'words@v2') throw new EspalierError('self_test_failed', 'other vectors')
    }
    await publishFakeEncoder(registry, 'words')
    await serve('words', { onOpen })
    await publishFakeEncoder(registry, 'words')
    for (let i = 0; i < 3; i++) {
      const refused = { model: 'words@v2', change: 'refused', reason: 'other vectors' }
      expect((await refresh()).changes).toContainEqual(refused)
    }
    expect(await embed()).toBe('words@v1')
    const errors = served!.log.lines.filter(({ level }) => level === 'error')
    expect(errors.map(({ fields }) => fields)).toEqual([
      { model: 'words@v2', reason: 'other vectors' },
    ])
    // Once for every time that somebody asked for it.
    expect(sources.opened).toEqual(['words@v1', 'words@v2', 'words@v2', 'words@v2'])
    const metrics = await (await served!.app.request('/metrics')).text()
    expect(metrics).toContain('espalier_encoders_refused_total 1')
    expect(metrics).toContain('espalier_encoder_info{model="words@v1",')
    await publishFakeEncoder(registry, 'words')
    await refresh()
    expect(await embed()).toBe('words@v3')
  })

  it('tries again where the registry was away', async () => {
    let away = true
    const onOpen = async (label: string) => {
      if (label === 'words@v2' && away) throw new EspalierError('registry_unavailable', 'away')
    }
    await publishFakeEncoder(registry, 'words')
    await serve('words', { onOpen })
    await publishFakeEncoder(registry, 'words')
    expect((await refresh()).changes).toContainEqual({
      model: 'words@v2',
      change: 'waiting',
      reason: 'away',
    })
    expect(await embed()).toBe('words@v1')
    away = false
    await refresh()
    expect(await embed()).toBe('words@v2')
  })

  it('may be a built-in one, until the registry has a champion of its name', async () => {
    await serve('words', { local: { words: {} } })
    expect(await embed()).toBe('words@v1')
    await publishFakeEncoder(registry, 'words', { alias: null })
    await refresh()
    expect(sources.opened).toEqual(['words'])
    await publishFakeEncoder(registry, 'words')
    await refresh()
    expect(await embed()).toBe('words@v2')
    expect(sources.openNow()).toEqual(['words@v2'])
  })

  it('is looked after by the requests themselves where timers stop in between', async () => {
    await publishFakeEncoder(registry, 'words')
    await serve('words', { env: { ESPALIER_POLL_SECONDS: '0.1' } })
    expect(await embed()).toBe('words@v1')
    await publishFakeEncoder(registry, 'words')
    // Nobody tells the server to look.
    await expect.poll(() => embed()).toBe('words@v2')
  })

  it('stays at the version that the setting names, or follows the alias that it names', async () => {
    await publishFakeEncoder(registry, 'words')
    await publishFakeEncoder(registry, 'words', { alias: 'challenger' })
    await serve('words@v1')
    await registry.promote('words', 2)
    await refresh()
    expect(await embed()).toBe('words@v1')
    await served!.live.close()
    await serve('words@challenger')
    expect(await embed()).toBe('words@v2')
    await publishFakeEncoder(registry, 'words', { alias: 'challenger' })
    await refresh()
    expect(await embed()).toBe('words@v3')
  })

  it.each([
    ['nowhere', 'model_not_found'],
    ['intent', 'wrong_model_kind'],
    ['fresh', 'version_not_found'],
    ['fresh@v9', 'version_not_found'],
    ['fresh@challenger', 'version_not_found'],
    ['/no/such/folder', 'model_not_found'],
  ])('%s: %s', async (encoder, code) => {
    await publishHead(registry, 'intent', createTestHead('first'))
    await publishFakeEncoder(registry, 'fresh', { alias: null })
    await expect(serve(encoder)).rejects.toMatchObject({ code })
  })
})

describe('heads when the encoder moves', () => {
  it('stay on it where its family is the same, made ready before it answers', async () => {
    const log: string[] = []
    const projectionGate = async () => void log.push('heads ready on v2')
    await publishFakeEncoder(registry, 'words')
    await publishHead(registry, 'intent', createTestHead('first'))
    await serve('words', { versions: { 'words@v2': { projectionGate } } })
    expect((await classify('intent')).encoders).toBe('words@v1')
    await publishFakeEncoder(registry, 'words')
    await refresh()
    expect(log).toEqual(['heads ready on v2'])
    expect(await classify('intent')).toMatchObject({
      answers: ['intent@v1:first'],
      encoders: 'words@v2',
    })
    expect(log).toHaveLength(1)
    expect(sources.openNow()).toEqual(['words@v2'])
  })

  it('of the old family keep the old encoder as long as a name leads to them', async () => {
    await publishFakeEncoder(registry, 'words')
    await publishHead(registry, 'intent', createTestHead('old'))
    await serve('words')
    await classify('intent')
    await publishFakeEncoder(registry, 'words', { family: B })
    await refresh()
    expect(await embed()).toBe('words@v2')
    expect(await classify('intent')).toMatchObject({
      answers: ['intent@v1:old'],
      encoders: 'words@v1',
    })
    expect(sources.openNow()).toEqual(['words@v1', 'words@v2'])

    await publishHead(registry, 'topic', createTestHead('new', { family: B }))
    await refresh()
    const both = await classify(['topic', 'intent'])
    expect(both).toMatchObject({
      answers: ['topic@v1:new', 'intent@v1:old'],
      encoders: 'words@v2, words@v1',
      usage: { prompt_tokens: 6 },
    })
    expect(await classify(['intent', 'topic'], { return_embeddings: true })).toMatchObject({
      status: 400,
      error: {
        param: 'return_embeddings',
        message: expect.stringContaining('intent@v1 on words@v1; topic@v1 on words@v2'),
      },
    })

    await publishHead(registry, 'intent', createTestHead('moved', { family: B }))
    await refresh()
    await refresh()
    expect(await classify(['intent', 'topic'])).toMatchObject({
      answers: ['intent@v2:moved', 'topic@v1:new'],
      encoders: 'words@v2',
    })
    expect(sources.openNow()).toEqual(['words@v2'])
    // What is asked for by its version comes back.
    expect((await classify('intent@v1')).encoders).toBe('words@v1')
  })

  it('may be promoted together with their encoder', async () => {
    await publishFakeEncoder(registry, 'words')
    await publishHead(registry, 'intent', createTestHead('old'))
    await serve('words')
    await classify('intent')
    await publishFakeEncoder(registry, 'words', { family: B })
    await publishHead(registry, 'intent', createTestHead('new', { family: B }))
    await refresh()
    expect(await classify('intent')).toMatchObject({
      answers: ['intent@v2:new'],
      encoders: 'words@v2',
    })
    expect(sources.opened).toEqual(['words@v1', 'words@v2'])
  })

  it('are refused while no encoder of their family is there, and taken when one is', async () => {
    await publishFakeEncoder(registry, 'words')
    await publishHead(registry, 'intent', createTestHead('old'))
    await serve('words')
    await classify('intent')
    await publishHead(registry, 'intent', createTestHead('new', { family: B }))
    await refresh()
    expect((await classify('intent')).answers).toEqual(['intent@v1:old'])
    expect(await classify('intent@v2')).toMatchObject({ error: { code: 'family_mismatch' } })
    await publishFakeEncoder(registry, 'other', { family: B, alias: null })
    await refresh()
    expect(await classify('intent')).toMatchObject({
      answers: ['intent@v2:new'],
      encoders: 'other@v1',
    })
  })

  it('find their encoder after a restart: in the registry, or among the built-in ones', async () => {
    await publishFakeEncoder(registry, 'words')
    await publishFakeEncoder(registry, 'words', { family: B })
    await publishHead(registry, 'intent', createTestHead('old'))
    await publishHead(registry, 'topic', createTestHead('own', { family: 'c'.repeat(64) }))
    await serve('words', { local: { shipped: { family: 'c'.repeat(64) } } })
    expect(await embed()).toBe('words@v2')
    expect(await classify(['intent', 'topic'])).toMatchObject({
      answers: ['intent@v1:old', 'topic@v1:own'],
      encoders: 'words@v1, shipped@v1',
    })
  })
})

describe('other encoders', () => {
  it('are opened as requests name them, the least used closing for want of memory', async () => {
    for (const name of ['one', 'two', 'three']) await publishFakeEncoder(registry, name)
    await serve('one', { bytes: 1_000_000, env: { ESPALIER_MODELS_BYTES: '2500000' } })
    await refresh()
    expect(await embed('two')).toBe('two@v1')
    expect(await embed('three')).toBe('three@v1')
    expect(sources.openNow()).toEqual(['one@v1', 'three@v1'])
    expect(await embed('two@champion')).toBe('two@v1')
    expect(sources.opened).toEqual(['one@v1', 'two@v1', 'three@v1', 'two@v1'])
    expect(await embed('four')).toBe('model_not_found')
    expect(await embed('two@v2')).toBe('version_not_found')
    expect(await embed('two@challenger')).toBe('version_not_found')
    const metrics = await (await served!.app.request('/metrics')).text()
    expect(metrics).toContain('espalier_encoders_bytes 2000000')
  })

  it('wait for room while others are in use', async () => {
    const [inside, pass] = [gate(), gate()]
    const slow = async () => {
      inside.open()
      await pass.promise
    }
    for (const name of ['one', 'two', 'three']) await publishFakeEncoder(registry, name)
    await serve('one', {
      bytes: 1_000_000,
      env: { ESPALIER_MODELS_BYTES: '2500000' },
      versions: { 'two@v1': { gate: slow } },
    })
    await refresh()
    const held = embed('two')
    await inside.promise
    expect(await embed('three')).toBe('overloaded')
    pass.open()
    expect(await held).toBe('two@v1')
    expect(await embed('three')).toBe('three@v1')
  })

  it('of this machine are opened by name as well, and say what they read', async () => {
    await publishFakeEncoder(registry, 'words')
    await serve('words', { local: { images: { modality: 'image', family: B } } })
    expect(await embed('images@v2')).toBe('version_not_found')
    expect(await embed('images@challenger')).toBe('version_not_found')
    expect(sources.openNow()).toEqual(['words@v1'])
    const lease = await served!.live.encoders.acquire('images')
    expect(lease.encoder.info).toMatchObject({ name: 'images', modality: 'image' })
    lease.release()
    expect(await embed('images@v1')).toBe('wrong_modality')
    expect(await embed('images@v2')).toBe('version_not_found')
    expect(sources.openNow()).toEqual(['images', 'words@v1'])
    const list = modelListSchema.parse(await (await served!.app.request('/v1/models')).json())
    const reads = list.data.map((each) => [each.id, 'modality' in each && each.modality])
    expect(reads).toEqual([
      ['words', 'text'],
      ['images', 'image'],
    ])
  })

  it('a request that names no classifier gets the built-in one of the default encoder', async () => {
    const source = new URL('../../infra/models/all-MiniLM-L6-v2/source.json', import.meta.url)
    const { family } = JSON.parse(readFileSync(source, 'utf8'))
    const builtinFolder = fileURLToPath(new URL('../../infra/heads', import.meta.url))
    registry = await openModelRegistry({ url: 'memory:', builtinFolder, log: silentLogger })
    await serve('own', { local: { own: { family, dimension: 384 } } })
    const response = await postJson(served!.app, '/classify', { inputs: ['hi'] })
    const { data } = (await response.json()) as { data: [{ predictions: [{ model: string }] }] }
    expect(data[0].predictions.map(({ model }) => model)).toEqual(['intent@v1'])
  })

  it('are opened once however many ask at the same time', async () => {
    for (const name of ['one', 'two']) await publishFakeEncoder(registry, name)
    await serve('one')
    await refresh()
    const answers = await Promise.all(Array.from({ length: 20 }, () => embed('two')))
    expect(new Set(answers)).toEqual(new Set(['two@v1']))
    expect(sources.opened).toEqual(['one@v1', 'two@v1'])
  })
})

function gate(): { promise: Promise<void>; open: () => void } {
  let open = () => {}
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return { promise, open }
}
