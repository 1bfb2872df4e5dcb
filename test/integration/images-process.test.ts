import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { classifyResponseSchema } from '../../shared/contract/classify.ts'
import { errorBodySchema } from '../../shared/contract/error-bodies.ts'
import { bundledCli } from '../cli-bundle.ts'
import { buildMixedImageNetwork, mixedImageConfig } from '../fakes/mixed-image-network.ts'
import { drawShape, writeShapes } from '../fakes/shapes.ts'
import { writeTinyImageFolder } from '../fakes/tiny-image-network.ts'
import { type ServerProcess, startedServer } from './server-process.ts'

const bundle = bundledCli()
const run = promisify(execFile)
let folder = ''
let server: ServerProcess | undefined
const path = (...parts: string[]) => join(folder, ...parts)
const env = () => ({
  PATH: process.env.PATH ?? '',
  ESPALIER_CACHE: path('cache'),
  ESPALIER_REGISTRY: `file:${path('registry')}`,
  ESPALIER_WORKERS: '1',
  ESPALIER_LOG_LEVEL: 'error',
})
const espalier = (...args: string[]) =>
  run(process.execPath, [bundle.script, ...args], { env: env(), maxBuffer: 1 << 24 })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-images-'))
  await writeShapes(path('train'), 8, 5)
  await writeShapes(path('test'), 4, 500)
})
afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** The real encoder sees shapes; the bars are far from chance (33 %) and below what was seen (100 %). */
it('trains on a folder with a damaged image, chooses a layer, serves it and names shapes', async () => {
  await truncate(path('train', 'circle', '3.jpg'), 400)
  await writeFile(path('train', 'square', '4.jpg'), 'no image at all')
  const common = ['--name', 'shapes', '--test', path('test'), '--method', 'softmax']
  const layers = 'pooled,/_blocks.10/Add_output_0'
  const { stdout, stderr } = await espalier(
    ...[
      'train',
      path('train'),
      ...common,
      '--layers',
      layers,
      '--promote',
      '--report',
      path('report'),
    ],
  )
  expect(stderr).toMatch(/2 images that cannot be read left out \(circle\/3\.jpg: is a damaged/)
  expect(stdout).toMatch(/^shapes@v1: 3 labels, 22 rows/)
  expect(stdout).toMatch(/layer \S+, of 2 layers compared/)
  const report = JSON.parse(await readFile(path('report', 'report.json'), 'utf8'))
  expect(report.layers.map(({ name }: { name: string }) => name)).toEqual(layers.split(','))
  for (const { accuracy, logMe } of report.layers) {
    expect(accuracy).toBeGreaterThan(0.6)
    expect(logMe).toBeTypeOf('number')
  }
  expect(report.test.accuracy).toBeGreaterThan(0.7)
  const predicted = await espalier('predict', 'shapes', path('test'), '--top-k', '1', '-q')
  const labels = predicted.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const right = labels.filter(({ image, label }) => image.startsWith(label))
  expect(right.length / labels.length).toBe(report.test.accuracy)

  server = await startedServer(bundle.script, env())
  const circle = Uint8Array.from(await drawShape('circle', 4242))
  const post = (body: Uint8Array<ArrayBuffer>) =>
    fetch(`${server?.url}/classify?model=shapes`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body,
    })
  const answer = await post(circle)
  const { data } = classifyResponseSchema.parse(await answer.json())
  expect(data[0]!.predictions[0]).toMatchObject({ model: 'shapes@v1', label: 'circle' })
  const cut = await post(circle.slice(0, 500))
  expect(cut.status).toBe(400)
  expect(errorBodySchema.parse(await cut.json()).message).toMatch(
    /^image is a damaged or incomplete/,
  )
  const text = await fetch(`${server.url}/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'shapes', inputs: 'a circle' }),
  })
  expect(errorBodySchema.parse(await text.json()).error).toMatchObject({ code: 'wrong_modality' })
}, 180_000)

it('exports a network in int8 by a folder of images, publishes and runs it', async () => {
  const graph = buildMixedImageNetwork()
  await writeTinyImageFolder(path('mixed'), { graph, config: mixedImageConfig() })
  await writeShapes(path('calibration'), 7, 90)
  const common = ['export', path('mixed'), '-q', '--name', 'mixed']
  const learned = ['--calibration', path('calibration'), '--publish', '--promote']
  const { stdout } = await espalier(...common, '-o', path('int8'), ...learned)
  expect(stdout).toMatch(/12 dimensions, images at layer features.*graphs: float32, int8/)
  const embed = async (precision: string) => {
    const args = ['embed', path('calibration'), '--model', 'mixed', '-q']
    const options = { env: { ...env(), ESPALIER_PRECISION: precision } }
    const result = await run(process.execPath, [bundle.script, ...args], options)
    return JSON.parse(result.stdout.split('\n')[0]!).embedding as number[]
  }
  const [int8, float32] = [await embed('int8'), await embed('float32')]
  const cosine = int8.reduce((sum, value, i) => sum + value * float32[i]!, 0)
  expect(cosine).toBeGreaterThan(0.99)
  expect(int8).not.toEqual(float32)
  const plain = await espalier(...common, '-o', path('plain'))
  expect(plain.stdout).toMatch(/graphs: float32\n/)
  const refused = espalier(...common, '-o', path('half'), '--precision', 'float16')
  await expect(refused).rejects.toThrow(/float16: image encoders are exported in float32 and int8/)
  const misplaced = espalier(...common, '-o', path('long'), '--max-tokens', '9')
  await expect(misplaced).rejects.toThrow(/--max-tokens is of use with text encoders only/)
}, 180_000)
