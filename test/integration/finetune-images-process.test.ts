import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classifyResponseSchema } from '../../shared/contract/classify.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import { bundledCli } from '../cli-bundle.ts'
import { drawShape, writeShapes } from '../fakes/shapes.ts'
import { writeTinyImageFolder } from '../fakes/tiny-image-network.ts'
import { makeWordRows, toCsv } from '../fakes/word-questions.ts'
import { startedServer } from './server-process.ts'

const bundle = bundledCli()
const execute = promisify(execFile)
let folder = ''
const path = (...parts: string[]) => join(folder, ...parts)
const env = () => ({
  PATH: process.env.PATH ?? '',
  ESPALIER_CACHE: path('cache'),
  ESPALIER_REGISTRY: `file:${path('registry')}`,
  ESPALIER_WORKERS: '1',
  ESPALIER_LOG_LEVEL: 'error',
})

const finetune = (...argv: string[]) => espalier('finetune', ...argv)

async function espalier(...argv: string[]) {
  const args = [bundle.script, ...argv]
  const done = execute(process.execPath, args, { env: env(), maxBuffer: 1 << 24 })
  return done.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => {
      return { code, stdout, stderr }
    },
  )
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-finetune-images-'))
  await writeShapes(path('shapes'), 8, 5)
  await writeShapes(path('test'), 3, 500)
  await writeTinyImageFolder(path('tiny'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

it('trains the last blocks of the built-in network, publishes the pair, and a server classifies with it', async () => {
  await cp(path('shapes'), path('damaged'), { recursive: true })
  await truncate(path('damaged', 'circle', '3.jpg'), 400)
  const made = await finetune(
    ...[path('damaged'), '--test', path('test'), '--name', 'shapes', '--layers', '2'],
    ...['--epochs', '6', '--alpha', '1', '--promote', '--force', '--report', path('report')],
  )
  expect(made.code, made.stderr).toBe(0)
  expect(made.stderr).toMatch(/1 image that cannot be read left out \(circle\/3\.jpg: is a damaged/)
  expect(made.stdout).toMatch(/^shapes@v1 on shapes-encoder@v1: 3 labels, 23 rows, /)
  expect(made.stdout).toMatch(/frozen, float32 .*\n *fine-tuned, float32 /)
  expect(made.stdout).toContain('promoted: shapes-encoder@v1 and shapes@v1 are champions now')

  const registry = openRegistry(openDirectoryStore(path('registry')))
  const encoder = await registry.getVersion('shapes-encoder', 1)
  const head = await registry.getVersion('shapes', 1)
  expect(encoder).toMatchObject({
    kind: 'embedding',
    lineage: { encoder: 'efficientnet-lite0@v1', classifier: 'shapes' },
  })
  expect(head).toMatchObject({ kind: 'classifier', family: encoder.family })
  const report = JSON.parse(await readFile(path('report', 'report.json'), 'utf8'))
  expect(report.fineTuning).toMatchObject({ rows: { train: 23, validation: 0 }, steps: 6 })
  expect(report.fineTuning.curve.at(-1).trainLoss).toBeLessThan(0.7)
  expect(report.test.accuracy).toBeGreaterThan(0.7)
  const shown = report.test.mistakes.length > 0
  const html = await readFile(path('report', 'report.html'), 'utf8')
  expect(html.includes('data:image/')).toBe(shown)
  expect(await readdir(path('cache', 'fine-tuning'))).toEqual([])

  const server = await startedServer(bundle.script, env())
  try {
    const form = new FormData()
    form.append('model', 'shapes')
    for (const seed of [900, 901]) {
      const bytes = new Uint8Array(await drawShape('bar', seed))
      form.append('image', new Blob([bytes], { type: 'image/jpeg' }), `${seed}.jpg`)
    }
    const response = await fetch(`${server.url}/classify`, { method: 'POST', body: form })
    expect(response.status).toBe(200)
    const { data } = classifyResponseSchema.parse(await response.json())
    const answers = data.map(({ predictions }) => predictions[0])
    expect(answers).toMatchObject([
      { model: 'shapes@v1', label: 'bar' },
      { model: 'shapes@v1', label: 'bar' },
    ])
  } finally {
    await server.stop()
  }
}, 180_000)

describe('a network of somebody else', () => {
  const tiny = (...argv: string[]) =>
    finetune(
      ...[
        path('shapes'),
        '--name',
        'tiny-shapes',
        '--encoder',
        path('tiny'),
        '-q',
        '--epochs',
        '2',
      ],
      ...['--learning-rate', '0.01', ...argv],
    )

  it('is trained to a network that a training can start from', async () => {
    const dry = ['--dry-run', '--json', '--test-fraction', '0', '--alpha', '1']
    const made = await tiny(...dry, '--output', path('tuned'))
    expect([made.code, made.stderr]).toEqual([0, ''])
    const network = await readFile(path('tuned', 'model.onnx'))
    expect(network.equals(await readFile(path('tiny', 'model.onnx')))).toBe(false)
    const more = ['--from-layer', 'relu', '--flip']
    const again = await tiny(...dry, '--encoder', path('tuned'), ...more)
    expect([again.code, again.stderr]).toEqual([0, ''])
  }, 120_000)

  it('has blocks, which the list of layers counts', async () => {
    const listed = await espalier('layers', path('tiny'))
    expect(listed.stdout).toMatch(/LAYER .* BLOCKS ABOVE\n.* relu .* 112 +1\n.* sum .* 256 *\n/)
    expect(listed.stdout).toContain('Blocks above: what "espalier finetune --layers N" trains.')
  })

  it('trains the output layer alone without a new encoder', async () => {
    const made = await tiny('--head-only', '--dry-run')
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(made.stdout).toMatch(/^tiny-shapes \(not published\) on tiny@v1: /)
  }, 120_000)

  it.each<[string, string[], number, RegExp]>([
    ['all layers', ['--full'], 2, /--full: all of an image network takes .* --layers N, 1 to 1/],
    ['more blocks', ['--layers', '2'], 2, /--layers 2: 1 blocks of this network can be trained/],
    ['an unknown layer', ['--from-layer', 'x'], 2, /--from-layer x: no layer .* the last are relu/],
    ['tokens of images', ['--max-tokens', '64'], 2, /--max-tokens is for texts/],
    ['two sets', ['--layers', '1', '--from-layer', 'relu'], 2, /give one of them/],
    ['too little memory', ['--max-memory', '1MB'], 2, /needs about \d+ MB .* may take 1 MB/],
    [
      'an encoder of texts',
      ['--encoder', 'all-minilm-l6-v2'],
      1,
      /shapes holds images, --encoder all-minilm-l6-v2 is an encoder of texts: name one of images/,
    ],
  ])(
    'is told: %s',
    async (_, argv, code, message) => {
      const made = await tiny(...argv)
      expect(made.stderr).toMatch(message)
      expect(made.stderr.trim().split('\n')).toHaveLength(1)
      expect(made.code).toBe(code)
    },
    60_000,
  )

  it('is told: one class, texts', async () => {
    await cp(path('shapes', 'bar'), path('one', 'bar'), { recursive: true })
    const one = await finetune(path('one'), '--name', 'tiny-shapes', '-q')
    expect([one.code, one.stderr]).toEqual([1, expect.stringMatching(/two classes are needed/)])
    await writeFile(path('words.csv'), toCsv(makeWordRows(30)))
    const texts = await finetune(
      path('words.csv'),
      '--name',
      'tiny-shapes',
      '--encoder',
      path('tiny'),
    )
    expect(texts.stderr).toMatch(/words\.csv holds texts, --encoder .*tiny is an encoder of images/)
    expect(texts.code).toBe(1)
  }, 60_000)
})
