import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { prepareArtifact } from '../../../shared/encoders/encoder-artifacts.ts'

const folderOf = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
const wanted = {
  encoder: folderOf('test/golden/checkpoints/bert-mean'),
  precision: 'float32',
} as const
const places = {
  builtinFolder: folderOf('infra/models'),
  calibrationTexts: folderOf('infra/calibration/texts.txt'),
  threads: 1,
}
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-prepared-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('an encoder that was exported before is taken from there, and nothing is written', async () => {
  const [preparedFolder, cacheFolder] = [join(folder, 'prepared'), join(folder, 'cache')]
  const made = await prepareArtifact({ ...places, cacheFolder: preparedFolder }, wanted)
  expect(made.cached).toBe(true)
  const options = { ...places, cacheFolder, preparedFolder }
  // Not ours to throw away where it is damaged.
  expect(await prepareArtifact(options, wanted)).toEqual({ ...made, cached: false })
  expect(existsSync(cacheFolder)).toBe(false)

  // What was not prepared is exported into the cache as ever.
  const other = await prepareArtifact(options, { ...wanted, precision: 'float16' })
  expect(other.cached).toBe(true)
  expect(other.folder.startsWith(cacheFolder)).toBe(true)
})

it('folders of a cache of Hugging Face, whose files are links, are told apart by what they hold', async () => {
  const cacheFolder = join(folder, 'links')
  const made = await Promise.all(
    ['bert-mean', 'distilbert-cls'].map(async (name) => {
      const model = join(folder, `models--a--${name}`)
      const [blobs, snapshot] = [join(model, 'blobs'), join(model, 'snapshots', 'r')]
      await cp(folderOf(`test/golden/checkpoints/${name}`), blobs, { recursive: true })
      for (const file of await readdir(blobs, { recursive: true, withFileTypes: true })) {
        const path = join(snapshot, relative(blobs, file.parentPath))
        await mkdir(path, { recursive: true })
        if (file.isFile()) await symlink(join(file.parentPath, file.name), join(path, file.name))
      }
      return prepareArtifact({ ...places, cacheFolder }, { ...wanted, encoder: snapshot })
    }),
  )
  expect(made.map(({ manifest }) => manifest.architecture)).toEqual(['bert', 'distilbert'])
})

it('an export that depends on weights of PyTorch is made again when they change', async () => {
  const model = join(folder, 'torch')
  await cp(folderOf('test/golden/checkpoints/bert-mean'), model, { recursive: true })
  await rm(join(model, 'model.safetensors'))
  const weights = folderOf('test/golden/torch/weights-zip.bin')
  await cp(weights, join(model, 'pytorch_model.bin'))
  const options = { ...places, cacheFolder: join(folder, 'torch-cache') }
  const first = await prepareArtifact(options, { ...wanted, encoder: model })
  const bytes = await readFile(weights)
  // The last bytes of the first storage.
  bytes.writeFloatLE(0.25, bytes.indexOf('PK\x03\x04', bytes.indexOf('data/0')) - 300)
  await writeFile(join(model, 'pytorch_model.bin'), bytes)
  const second = await prepareArtifact(options, { ...wanted, encoder: model })
  expect(second.folder).not.toBe(first.folder)
})
