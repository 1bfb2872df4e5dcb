import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type * as Library from '../../functions/library/index.ts'
import { bundledCli } from '../cli-bundle.ts'
import { finish } from './finish-process.ts'

const bundle = bundledCli()
const examples = fileURLToPath(new URL('../../examples/', import.meta.url))
let folder: string
let library: typeof Library
let espalier: Library.Espalier

/** The bundled library, as the package has it, over a cache of its own. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-library-'))
  library = await import(pathToFileURL(join(bundle.folder, 'dist/index.js')).href)
  espalier = await library.createEspalier({
    registry: 'memory:',
    cache: join(folder, 'cache'),
    workers: 1,
  })
})
afterAll(async () => {
  await espalier?.close()
  await rm(folder, { recursive: true, force: true })
})

describe('the library', () => {
  it('embeds texts, each to the bits that it has alone', async () => {
    const texts = ['one text', 'another one', '']
    const { model, dimensions, embeddings, tokens, truncated } = await espalier.embed(
      texts.slice(0, 2),
    )
    expect([model, dimensions, tokens, truncated]).toEqual(['all-minilm-l6-v2@v1', 384, 8, 0])
    const alone = await espalier.embed(texts[1]!)
    expect(embeddings[1]).toEqual(alone.embeddings[0])
    expect(Math.hypot(...embeddings[0]!)).toBeCloseTo(1, 5)
    await expect(espalier.embed(texts)).rejects.toMatchObject({
      name: 'EspalierError',
      code: 'empty_input',
      param: 'inputs[2]',
    })
    await expect(espalier.embed([])).rejects.toSatisfy((error: unknown) =>
      library.isEspalierError(error, 'empty_input'),
    )
  })

  it('classifies with the built-in heads, texts and images', async () => {
    const texts = ['play some jazz', 'will it rain tomorrow']
    const intent = await espalier.classify(texts, { model: 'intent', topK: 1 })
    expect(intent.model).toBe('intent@v1')
    expect(intent.predictions.map(({ label }) => label)).toEqual(['PlayMusic', 'GetWeather'])
    expect(intent.predictions[0]!.labels).toHaveLength(1)
    const [again] = await espalier.classifyWith(['intent'], texts, { topK: 1 })
    expect(again).toEqual(intent)
    const image = await readFile(
      new URL('../../infra/examples/shapes/circle/0.jpg', import.meta.url),
    )
    const seen = await espalier.classify({ image }, { model: 'imagenet', topK: 2 })
    expect(seen.predictions[0]!.labels).toHaveLength(2)
    const wrong = espalier.classify(texts, { model: 'all-minilm-l6-v2' })
    await expect(wrong).rejects.toMatchObject({ code: 'wrong_model_kind', param: 'model' })
  })

  it('lists what can be named', async () => {
    const entries = await espalier.models()
    expect(entries.map(({ name, kind }) => [name, kind])).toContainEqual(['intent', 'classifier'])
    expect(entries[0]).toEqual({
      name: 'all-minilm-l6-v2',
      kind: 'embedding',
      version: 1,
      versions: [1],
      aliases: { champion: 1 },
    })
  })

  it('stops at the signal of a call, and of the opening', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    const cancelled = { code: 'request_cancelled' }
    await expect(espalier.embed('late', { signal })).rejects.toMatchObject(cancelled)
    await expect(library.createEspalier({ signal })).rejects.toMatchObject(cancelled)
    await expect(library.createEspalier({ workers: 0 })).rejects.toMatchObject({
      code: 'invalid_config',
      param: 'workers',
    })
  })

  it('opens twice in a process, and ends its work before it closes', async () => {
    const options = { registry: 'memory:', cache: join(folder, 'cache'), workers: 1 } as const
    const second = await library.createEspalier(options)
    const accepted = second.embed('accepted before the end')
    await Promise.all([second.close(), second.close()])
    expect((await accepted).embeddings).toHaveLength(1)
    await expect(second.embed('too late')).rejects.toMatchObject({ code: 'shutting_down' })
    expect((await espalier.embed('still there')).embeddings).toHaveLength(1)
  })

  it('runs its example, in a process that ends by itself', async () => {
    const source = await readFile(join(examples, 'library.mjs'), 'utf8')
    const script = join(folder, 'library.mjs')
    const entry = pathToFileURL(join(bundle.folder, 'dist/index.js')).href
    await writeFile(script, source.replace("from 'espalier'", `from '${entry}'`))
    const env = { PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: join(folder, 'home') }
    const run = await finish(spawn(process.execPath, [script], { env }))
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('play some jazz -> PlayMusic')
    expect(run.stdout).toContain('empty_input: inputs[1]')
  })
})

describe('the command on an old Node', () => {
  it.each(['18.20.8', '20.18.3', '12.22.0'])(
    '%s: says what it needs and fails',
    async (version) => {
      const fake = `Object.defineProperty(process.versions, 'node', { value: '${version}' })
      Object.defineProperty(process, 'version', { value: 'v${version}' })`
      const preload = `data:text/javascript,${encodeURIComponent(fake)}`
      const args = ['--import', preload, bundle.script, 'serve']
      const run = await finish(spawn(process.execPath, args))
      expect(run).toMatchObject({ code: 1, stdout: '' })
      expect(run.stderr).toBe(
        `espalier: needs Node.js 20.19 or newer, and this is v${version}: see https://nodejs.org\n`,
      )
    },
  )
})
