import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeHead } from '../../../shared/head/encode.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { createTestHead, FAKE_FAMILY } from '../../fakes/heads.ts'
import { writeTinyEncoder } from '../../fakes/tiny-encoder.ts'
import { runCommand } from './run.ts'

const intents = fileURLToPath(new URL('../../fixtures/intents.csv', import.meta.url))
let folder: string
let encoder: string
let head: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-publish-'))
  encoder = join(folder, 'encoder')
  await mkdir(encoder)
  await writeTinyEncoder(encoder)
  head = await headFile('head.bin', 'a')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function headFile(name: string, prefix: string): Promise<string> {
  await writeFile(join(folder, name), encodeHead(createTestHead(prefix)))
  return join(folder, name)
}

let registry: Registry
let boot: ReturnType<typeof createFakeBoot>
beforeEach(() => {
  registry = openRegistry(openMemoryStore())
  boot = createFakeBoot({
    encoder: { dimension: 32 },
    registry,
    cacheFolder: join(folder, 'cache'),
  })
})
const run = (...argv: string[]) => runCommand(argv, { boot })
const publish = (...argv: string[]) => run('publish', ...argv, '-q')

describe('publishing an encoder', () => {
  it('makes a version of its folder, with a card', async () => {
    const result = await publish(encoder, '--by', 'ann', '--description', 'a toy')
    expect(result).toMatchObject({ code: 0, stderr: '' })
    expect(result.stdout).toMatch(
      /^tiny@v1: encoder, 4 files, [\d.]+ KB\nNext: espalier promote tiny@v1\n$/,
    )
    const version = await registry.getVersion('tiny', 1)
    expect(version).toMatchObject({
      kind: 'embedding',
      family: 'f'.repeat(64),
      fingerprint: 'a'.repeat(64),
      createdBy: 'ann',
      description: 'a toy',
      metadata: {
        encoder: 'tiny',
        dimension: 8,
        maxTokens: 16,
        pooling: 'mean',
        precisions: ['float32'],
        fingerprints: { float32: 'a'.repeat(64) },
        prompts: ['query'],
      },
    })
    const paths = version.files.map(({ path }) => path)
    expect(paths).toEqual(['encoder.json', 'tokenizer.json', 'float32.onnx', 'float32.data'])
    const loaded = version.files.slice(1).reduce((sum, { bytes }) => sum + bytes, 0)
    expect(version.metadata.bytes).toEqual({ float32: loaded })
    const { stdout } = await run('show', 'tiny')
    expect(stdout).toMatch(/^network +bert, 8 dimensions, 16 tokens, mean pooling$/m)
    expect(stdout).toMatch(/^float32 +[\d.]+ KB, fingerprint a{64}$/m)
    expect(stdout).toMatch(/^by +ann$/m)
  })

  it('promotes it where that is asked for, before → after', async () => {
    await publish(encoder, '--name', 'mine', '--promote', '--reason', 'first')
    const { stdout } = await publish(encoder, '--name', 'mine', '--promote')
    expect(stdout).toMatch(/^mine@v2: encoder, .*\nmine@champion: v1 → v2\n$/)
    expect(await registry.readState('mine')).toMatchObject({
      state: { aliases: { champion: 2 }, history: [{ reason: 'first' }, {}] },
    })
  })

  it.each([
    ['float32.data', 'altered', /float32\.data of the encoder is damaged: its sha256 is/],
    ['tokenizer.json', 'cut', /tokenizer\.json of the encoder is damaged: it has/],
    ['encoder.json', 'cut', /encoder\.json: not valid JSON/],
    ['float32.onnx', 'missing', /float32\.onnx of the encoder is damaged: it is missing/],
  ])('refuses one whose %s is %s, and leaves nothing', async (file, how, message) => {
    const bad = join(folder, `bad-${file}`)
    await mkdir(bad)
    const manifest = await writeTinyEncoder(bad)
    const path = join(bad, file)
    if (how === 'missing') await rm(path)
    else await writeFile(path, Buffer.alloc(how === 'cut' ? 3 : manifest.files[file]!.bytes))
    const result = await publish(bad)
    expect(result).toMatchObject({ code: 1, stdout: '' })
    expect(result.stderr).toMatch(message)
    expect(await registry.listModels()).toEqual([])
  })
})

describe('publishing a classifier', () => {
  it('takes the file of a head', async () => {
    const { code, stdout } = await publish(head, '--name', 'topic', '--promote')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^topic@v1: classifier, 1 file, .*\ntopic@champion: none → v1\n$/)
    expect(await registry.getVersion('topic', 1)).toMatchObject({
      kind: 'classifier',
      family: FAKE_FAMILY,
      metadata: { labels: ['a0', 'a1', 'a2'], method: 'unknown', dimension: 8 },
      files: [{ path: 'head.bin' }],
    })
  })

  it('takes a folder with its reports, and tells metrics and lineage as training does', async () => {
    await run('train', intents, '--name', 'intent', '--method', 'ncm', '-q')
    const trained = await registry.getVersion('intent', 1)
    const files = await registry.fetchFiles(trained, join(folder, 'fetched'))
    expect((await publish(files, '--name', 'again')).code).toBe(0)
    const version = await registry.getVersion('again', 1)
    expect(version.files).toEqual(trained.files)
    expect(version.metadata).toEqual(trained.metadata)
    expect(version.metrics).toEqual(trained.metrics)
    expect(version.fingerprint).toBe(trained.fingerprint)
    const { encoder, dataHash, seed, trainRows, precision } = trained.lineage!
    expect(version.lineage).toMatchObject({ encoder, dataHash, seed, trainRows, precision })
    const other = join(folder, 'other')
    await mkdir(other)
    await writeFile(join(other, 'head.bin'), encodeHead(createTestHead('b')))
    const report = await registry.readFile(trained, 'report.json', { maxBytes: 1 << 20 })
    await writeFile(join(other, 'report.json'), report)
    expect((await publish(other, '--name', 'liar')).stderr).toMatch(
      /report\.json is the report of another head: its labels differ$/m,
    )
  })

  it('gives the same version for the same key, and refuses the key for something else', async () => {
    const key = ['--name', 'topic', '--idempotency-key', 'job 17', '--promote']
    expect((await publish(head, ...key)).stdout).toMatch(/^topic@v1: /)
    const again = await publish(head, ...key)
    expect(again.stdout).toMatch(/^topic@v1: .* \(published before under this key\)\n/)
    expect(await registry.listVersions('topic')).toEqual([1])
    const other = await publish(await headFile('other.bin', 'b'), ...key)
    expect(other.code).toBe(1)
    expect(other.stderr).toContain('belongs to topic@v1, which has other files')
    // A retry that comes late does not take back what was promoted since.
    await publish(await headFile('next.bin', 'c'), '--name', 'topic', '--promote')
    expect((await publish(head, ...key)).stdout).toContain('promoted before under this key')
    expect((await registry.resolve('topic')).version).toBe(2)
  })

  it('gives racing publishers different versions, both whole', async () => {
    const files = await Promise.all(['x', 'y', 'z'].map((name) => headFile(`${name}.bin`, name)))
    const runs = await Promise.all(files.map((file) => publish(file, '--name', 'topic')))
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0])
    const names = runs.map(({ stdout }) => stdout.split(':')[0]).sort()
    expect(names).toEqual(['topic@v1', 'topic@v2', 'topic@v3'])
    expect(await registry.verify()).toMatchObject({ versions: 3, blobs: 3, damages: [] })
  })

  it('prints JSON', async () => {
    const { stdout } = await publish(head, '--name', 'topic', '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      model: 'topic@v1',
      created: true,
      version: { kind: 'classifier' },
      state: null,
    })
  })
})

describe('what cannot be published', () => {
  it.each([
    [() => [head], 2, 'is a classifier; give it a --name'],
    [() => [head, '--name', '../x'], 2, 'model name "../x"'],
    [() => [head, '--name', 'built-in'], 1, 'built-in is a built-in encoder'],
    [() => [head, '--name', 'x', '--kind', 'embedding'], 1, 'is not an encoder'],
    [() => [encoder, '--kind', 'classifier'], 1, 'is not a classifier (a folder with head.bin'],
    [() => [folder, '--kind', 'nothing'], 2, '--kind'],
    [() => [join(folder, 'none')], 1, 'none: no such file or folder'],
    [() => [fileURLToPath(new URL('.', import.meta.url))], 1, 'is neither an encoder'],
    [() => [head, '--name', 'x', '--reason', 'y'], 2, 'it needs --promote'],
    [() => [intents, '--name', 'x'], 1, 'intents.csv: '],
    [() => [head, '--name', 'x', '--idempotency-key', ''], 1, 'idempotency key'],
  ])('%s is refused in one line', async (argv, code, message) => {
    const result = await publish(...argv())
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toMatch(/^espalier: [^\n]*\n$/)
    expect(result.stderr).toContain(message)
    expect(await registry.listModels()).toEqual([])
  })

  it('asks which where a folder holds both, and keeps a name to one kind', async () => {
    const both = join(folder, 'both')
    await mkdir(both)
    await writeTinyEncoder(both)
    await writeFile(join(both, 'head.bin'), encodeHead(createTestHead('a')))
    expect(await publish(both, '--name', 'x')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('say which, with --kind'),
    })
    expect((await publish(both, '--name', 'x', '--kind', 'classifier')).code).toBe(0)
    expect(await publish(both, '--name', 'x', '--kind', 'embedding')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('x@v1 is of kind classifier'),
    })
  })
})

describe('train with an idempotency key', () => {
  const train = (...argv: string[]) =>
    run('train', intents, '--name', 'intent', '--method', 'ncm', '-q', ...argv)

  it('gives the same version for the same data and options, though times differ', async () => {
    const key = ['--idempotency-key', 'nightly', '--by', 'ci', '--promote']
    expect((await train(...key)).code).toBe(0)
    const again = await train(...key)
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(again.stdout).toContain('published before under this key')
    expect(await registry.listVersions('intent')).toEqual([1])
    expect(await registry.getVersion('intent', 1)).toMatchObject({ createdBy: 'ci' })
    const other = await train(...key, '--seed', '7')
    expect(other.code).toBe(1)
    expect(other.stderr).toContain('belongs to intent@v1, which was made of other input')
    await train('--promote', '--force', '--seed', '7')
    expect((await train(...key)).stdout).toContain('promoted before under this key')
    expect((await registry.resolve('intent')).version).toBe(2)
    const { stdout } = await run('show', 'intent@v1')
    expect(stdout).toMatch(/promote intent@champion: none → v1 by ci$/m)
    expect((await registry.verify()).damages).toEqual([])
  })
})

describe('export --publish', () => {
  it('refuses what could not be published before anything is exported', async () => {
    for (const [argv, message] of [
      [['x', '--promote'], 'of use with --publish only'],
      [['x', '--publish', '--reason', 'y'], 'it needs --promote'],
      [['x', '--publish', '--name', 'UPPER@v1'], 'set --name'],
      [['./Bad Name', '--publish'], 'a model name is'],
    ] as const) {
      expect(await run('export', ...argv)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining(message),
      })
    }
    expect(boot.exported).toEqual([])
  })

  const away = new EspalierError('registry_unavailable', 'the registry does not answer')
  const exportWith = (changes: Partial<Registry>) => {
    const other = createFakeBoot({ registry: { ...registry, ...changes } })
    // What the export would have written.
    const output = ['--output', encoder]
    const done = runCommand(['export', 'x', '--name', 'toy', '--publish', ...output, '-q'], {
      boot: other,
    })
    return { other, done }
  }

  it('asks whether it may write before it exports', async () => {
    const { other, done } = exportWith({ checkWritable: () => Promise.reject(away) })
    expect(await done).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not answer'),
    })
    expect(other.exported).toEqual([])
    await publish(head, '--name', 'toy')
    const taken = exportWith({})
    expect(await taken.done).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('toy@v1 is of kind classifier'),
    })
    expect(taken.other.exported).toEqual([])
  })

  it('says how to publish what was exported where that fails after all', async () => {
    const { done } = exportWith({ publish: () => Promise.reject(away) })
    const failed = await done
    expect(failed.code).toBe(1)
    const [, command] = /publish it by "espalier (publish [^"]+)"/.exec(failed.stderr) ?? []
    expect(command).toBe(`publish ${encoder} --name toy`)
    expect(await run(...command!.split(' '))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('toy@v1'),
    })
  })
})

it('asks whether it may write before files are sent', async () => {
  const away = new EspalierError('registry_unavailable', 'no right to write models/toy')
  let sent = 0
  const other = createFakeBoot({
    registry: {
      ...registry,
      checkWritable: () => Promise.reject(away),
      publish: (...given) => {
        sent++
        return registry.publish(...given)
      },
    },
  })
  const failed = await runCommand(['publish', head, '--name', 'toy', '-q'], { boot: other })
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('no right to write') })
  expect(sent).toBe(0)
})
