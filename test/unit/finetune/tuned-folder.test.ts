import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { deriveFolder } from '../../../shared/exporter/artifact/derived-folder.ts'
import { openSafetensors } from '../../../shared/exporter/checkpoint/safetensors.ts'
import { readSourceFolder } from '../../../shared/exporter/source/source-folder.ts'
import { loadWeights } from '../../../shared/exporter/source/weights.ts'
import { listParameters } from '../../../shared/finetune/graph/training-graph.ts'
import { createTextTrunk } from '../../../shared/finetune/text/text-trunk.ts'
import { writeRandomFolder, writeTunedFolder } from '../../../shared/finetune/text/tuned-folder.ts'

const folders = fileURLToPath(new URL('../../golden/checkpoints/', import.meta.url))
const names = readdirSync(folders)
  .filter((name) => existsSync(join(folders, name, 'model.safetensors')))
  .sort()
const work = mkdtempSync(join(tmpdir(), 'espalier-tuned-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))
let count = 0
const output = () => join(work, `tuned-${count++}`)

async function load(folder: string) {
  // One of the folders leaves both open.
  const pooling = existsSync(join(folder, 'modules.json')) ? undefined : 'mean'
  const source = await readSourceFolder(folder, { name: 'x', pooling, headless: true })
  if (source.network.kind !== 'weights') throw new Error('no weights')
  const { config } = source.network
  return { source, config, weights: await loadWeights(folder, config, source.sentence.dense) }
}

type Loaded = Awaited<ReturnType<typeof load>>

function parametersOf({ weights }: Loaded) {
  return listParameters({
    trunk: createTextTrunk({ weights, pooling: 'mean', trainable: { kind: 'all' } }),
    loss: { kind: 'contrastive' },
    classes: 2,
    initialHead: null,
  })
}

describe.each(names)('%s', (name) => {
  const base = join(folders, name)

  test('with its own weights it stays the same encoder', async () => {
    const before = await load(base)
    const values = new Map(parametersOf(before).map(({ name, initial }) => [name, initial]))
    const folder = output()
    await writeTunedFolder(base, folder, before.config, values)
    const after = await load(folder)
    expect(after.weights.digest).toBe(before.weights.digest)
    expect(after.source.tokenizerSha256).toBe(before.source.tokenizerSha256)
    expect(after.source.maxTokens).toBe(before.source.maxTokens)
    const { folder: _old, ...dense } = before.source.sentence.dense ?? { folder: '' }
    expect(after.source.sentence).toMatchObject({
      ...before.source.sentence,
      dense: before.source.sentence.dense === null ? null : dense,
    })
    expect(readdirSync(folder)).not.toContain('expected.json')
  })

  test('with others it has these, under the base names and shapes', async () => {
    const before = await load(base)
    const parameters = parametersOf(before)
    const values = new Map(
      parameters.map(({ name, initial }, at) => [
        name,
        initial.map((_, i) => Math.fround(at + i / 1e4)),
      ]),
    )
    const folder = output()
    await writeTunedFolder(base, folder, before.config, values)
    const after = await load(folder)
    for (const { name, initial } of parametersOf(after)) expect(initial).toEqual(values.get(name))
    expect(after.weights.words).toEqual(before.weights.words)
    expect(after.weights.positions).toEqual(before.weights.positions)
    const [old, tuned] = [
      await openSafetensors(join(base, 'model.safetensors')),
      await openSafetensors(join(folder, 'model.safetensors')),
    ]
    expect(tuned.names).toEqual(old.names)
    for (const tensor of old.names) {
      expect(tuned.shape(tensor)).toEqual(old.shape(tensor))
      expect(tuned.describe(tensor).type).toBe('F32')
    }
    await old.close()
    await tuned.close()
  })
})

const plain = join(folders, 'bert-mean')
const half = join(folders, 'bert-cls-f16')

test('the configuration no longer states the type of the old weights', async () => {
  const { config } = await load(half)
  const folder = output()
  await writeTunedFolder(half, folder, config, new Map())
  const read = (path: string) =>
    JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as Record<string, unknown>
  expect(read(half).dtype).toBe('float16')
  expect(read(folder)).toEqual({ ...read(half), dtype: 'float32' })
})

test('random weights: normal, norms 1 and 0, the same for the same seed', async () => {
  const [a, b, c] = [output(), output(), output()]
  await writeRandomFolder(plain, a, 5)
  await writeRandomFolder(plain, b, 5)
  await writeRandomFolder(plain, c, 6)
  const bytes = (folder: string) => readFileSync(join(folder, 'model.safetensors'))
  expect(bytes(a).equals(bytes(b))).toBe(true)
  expect(bytes(a).equals(bytes(c))).toBe(false)
  const { weights } = await load(a)
  const [layer] = weights.layers
  expect(layer?.outputNorm.gamma.every((value) => value === 1)).toBe(true)
  expect(layer?.outputNorm.beta.every((value) => value === 0)).toBe(true)
  expect(layer?.qkv.bias.every((value) => value === 0)).toBe(true)
  const values = Array.from(weights.words)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  expect(Math.abs(mean)).toBeLessThan(0.001)
  expect(Math.sqrt(variance)).toBeGreaterThan(0.0195)
  expect(Math.sqrt(variance)).toBeLessThan(0.0205)
})

describe('a folder that cannot be written', () => {
  test('a full disk says so, and nothing half-written stays', async () => {
    const folder = output()
    const before = readdirSync(work)
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
    })
    const failing = deriveFolder(plain, folder, (name) =>
      name.includes('LayerNorm') ? Promise.reject(full) : Promise.resolve(null),
    )
    await expect(failing).rejects.toMatchObject({
      code: 'invalid_request',
      message: `${folder} cannot be written: the disk is full; nothing was left there`,
    })
    expect(readdirSync(work)).toEqual(before)
  })

  test('an existing one is left alone', async () => {
    const { config } = await load(plain)
    await expect(writeTunedFolder(plain, work, config, new Map())).rejects.toMatchObject({
      code: 'invalid_request',
      message: `${work} exists already; name another folder or remove it first`,
    })
  })
})
