import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
