import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import { bundledCli } from '../cli-bundle.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { makeWordRows, toCsv } from '../fakes/word-questions.ts'
import { finish } from './finish-process.ts'
import { startedServer } from './server-process.ts'

const bundle = bundledCli()
const checkpoint = (name: string) =>
  fileURLToPath(new URL(`../golden/checkpoints/${name}`, import.meta.url))
const base = checkpoint('bert-mean')
const rows = makeWordRows(270)
let folder: string
const path = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-finetune-'))
  await writeFile(path('words.csv'), toCsv(rows))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const settings = (registry: string) => ({
  ESPALIER_CACHE: path('cache'),
  ESPALIER_REGISTRY: `file:${path(registry)}`,
  ESPALIER_ENCODER: base,
  ESPALIER_LOG_LEVEL: 'error',
})

async function run(registry: string, ...argv: string[]) {
  const env = { PATH: process.env.PATH, ESPALIER_WORKERS: '1', ...settings(registry) }
  return finish(spawn(process.execPath, [bundle.script, ...argv], { env }))
}

/** Few steps at a high rate: enough to learn words by. */
const QUICK = ['--epochs', '8', '--learning-rate', '0.005', '--head-learning-rate', '0.05']
const finetune = (registry: string, ...argv: string[]) =>
  run(registry, 'finetune', path('words.csv'), '--name', 'words', ...QUICK, '-q', ...argv)
const openFolder = (name: string) => openRegistry(openDirectoryStore(path(name)))

describe('espalier finetune', () => {
  it('publishes encoder and head with a report, and a server classifies with them', async () => {
    const made = await finetune(
      'first',
      ...['--promote', '--by', 'ci', '--report', path('report')],
      ...['--idempotency-key', 'job-1'],
    )
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(made.stdout).toMatch(/^words@v1 on words-encoder@v1: 3 labels, 216 rows, /)
    expect(made.stdout).toMatch(/frozen, int8 .*\n *fine-tuned, int8 .*\n *fine-tuned, float32 /)
    expect(made.stdout).toContain('promoted: words-encoder@v1 and words@v1 are champions now')

    const registry = openFolder('first')
    const encoder = await registry.getVersion('words-encoder', 1)
    const head = await registry.getVersion('words', 1)
    expect(encoder).toMatchObject({
      kind: 'embedding',
      createdBy: 'ci',
      metadata: { architecture: 'bert', precisions: ['int8', 'float32'] },
      lineage: { encoder: 'bert-mean@v1', classifier: 'words' },
    })
    expect(encoder.description).toContain('the report lies with the version of words')
    expect(head).toMatchObject({
      kind: 'classifier',
      family: encoder.family,
      metrics: { testRows: 54, frozenAccuracy: expect.any(Number) },
      lineage: { encoder: 'words-encoder@v1', base: 'bert-mean@v1', precision: 'int8' },
    })
    expect((await readdir(path('report'))).sort()).toEqual([
      'report.html',
      'report.json',
      'report.md',
    ])
    const report = JSON.parse(await readFile(path('report/report.json'), 'utf8'))
    expect(report.fineTuning.contenders).toHaveLength(3)
    expect(report.fineTuning.rows).toEqual({ train: 194, validation: 22 })
    expect(report.test.accuracy).toBeGreaterThan(0.8)
    expect(await readdir(path('cache/fine-tuning'))).toEqual([])

    const server = await startedServer(bundle.script, settings('first'))
    try {
      const response = await fetch(`${server.url}/classify`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'words', inputs: rows.slice(0, 30).map(({ text }) => text) }),
      })
      expect(response.status).toBe(200)
      const { data } = (await response.json()) as {
        data: { predictions: { model: string; label: string }[] }[]
      }
      const answers = data.map(({ predictions }) => predictions[0]!)
      expect(answers.every(({ model }) => model === 'words@v1')).toBe(true)
      const right = answers.filter(({ label }, i) => label === rows[i]!.label)
      expect(right.length).toBeGreaterThan(24)
    } finally {
      await server.stop()
    }

    const again = await finetune('first', '--promote', '--idempotency-key', 'job-1')
    expect([again.code, again.stderr]).toEqual([0, ''])
    expect(again.stdout).toContain('published before under this key')
    expect(await registry.listVersions('words-encoder')).toEqual([1])
    expect(await registry.listVersions('words')).toEqual([1])
  }, 120_000)

  it('keeps the weights where asked, and leaves a registry alone on a dry run', async () => {
    const dry = ['--dry-run', '--json', '--layers', '1', '--test-fraction', '0']
    const made = await finetune('dry', ...dry, '--output', path('tuned'))
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(JSON.parse(made.stdout)).toMatchObject({
      model: null,
      encoder: null,
      recommendation: { promote: 'unknown' },
    })
    const weights = await readFile(path('tuned/model.safetensors'))
    expect(weights.equals(await readFile(join(base, 'model.safetensors')))).toBe(false)
    expect(await openFolder('dry').listModels()).toEqual([])
  }, 120_000)

  it('does not promote what does not clearly beat the frozen encoder', async () => {
    const made = await finetune('even', '--promote', '--learning-rate', '1e-9')
    expect(made.code).toBe(1)
    expect(made.stderr).toMatch(
      /^espalier: words-encoder@v1 and words@v1: published but not promoted: .*does not clearly beat/,
    )
    expect((await openFolder('even').readState('words')).status).toBe('missing')
    expect((await openFolder('even').readState('words-encoder')).status).toBe('missing')
  }, 120_000)

  it('publishes nothing where no tuned weights beat the base, says so, and reports it', async () => {
    const argv = ['--learning-rate', '1e-9', '--alpha', 'auto', '--report', path('unbeaten')]
    const made = await finetune('same', ...argv)
    expect(made.code).toBe(1)
    expect(made.stderr).toMatch(
      /^espalier: no tuned weights beat the base's: a classifier is right on \d+\.\d % of 22 validation rows with the base, .*no encoder is published: use "espalier train"\n$/,
    )
    expect(await openFolder('same').listModels()).toEqual([])
    const report = JSON.parse(await readFile(path('unbeaten/report.json'), 'utf8'))
    expect(report).toMatchObject({
      encoder: { model: 'bert-mean@v1' },
      test: { rows: 54 },
      fineTuning: {
        blend: { alpha: 0, basis: 'validation', rows: 22 },
        contenders: [{ name: 'frozen, int8', gain: null, accuracy: report.test.accuracy }],
        recommendation: { promote: 'frozen', precision: null },
      },
    })
    expect(await readFile(path('unbeaten/report.md'), 'utf8')).toContain('Keep the frozen encoder')
  }, 120_000)

  it('chooses alpha by cross-validation where rows are few', async () => {
    await writeFile(path('few.csv'), toCsv(rows.slice(0, 150)))
    const argv = ['--name', 'few', ...QUICK, '--epochs', '4', '-q', '--json', '--seed', '7']
    const made = await run('few', 'finetune', path('few.csv'), ...argv)
    expect([made.code, made.stderr]).toEqual([0, ''])
    const { report } = JSON.parse(made.stdout)
    const { blend, head } = report.fineTuning
    expect(report.fineTuning.rows).toEqual({ train: 120, validation: 0 })
    expect(blend).toMatchObject({ basis: 'cross-validation', rows: 120 })
    expect(head.why).toContain('calibrated by the cross-validation of the training')
    const encoder = await openFolder('few').getVersion('few-encoder', 1)
    expect(encoder.metadata).toMatchObject({ alpha: blend.alpha })
    expect((await openFolder('few').getVersion('few', 1)).metadata).toMatchObject({
      alpha: blend.alpha,
    })
  }, 120_000)

  it('trains the output layer alone without a new encoder', async () => {
    const made = await finetune('head', '--head-only')
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(made.stdout).toMatch(/^words@v1 on bert-mean@v1: /)
    expect(await openFolder('head').listVersions('words-encoder')).toEqual([])
  }, 120_000)
})

it('keeps what was learnt before training diverged, and says so', async () => {
  // These rates diverge after a step that helps, on the division of these rows alone.
  const rates = ['--learning-rate', '1e5', '--head-learning-rate', '1e5']
  const division = ['--near-duplicates', 'ignore']
  const made = await finetune('mad', ...rates, ...division, '--json')
  expect([made.code, made.stderr]).toEqual([0, ''])
  expect(JSON.parse(made.stdout)).toMatchObject({
    model: 'words@v1',
    notes: [expect.stringMatching(/^training diverged after \d+ steps .* were kept/)],
    recommendation: { promote: 'frozen' },
  })
}, 120_000)

describe('what cannot be fine-tuned', () => {
  it.each<[string, string[], number, RegExp]>([
    [
      'a foreign graph',
      ['--encoder', checkpoint('onnx-mean')],
      1,
      /onnx-mean: a foreign ONNX file has no gradients.*"espalier train"/,
    ],
    [
      'an unknown base',
      ['--encoder', 'nowhere'],
      1,
      /--encoder nowhere: neither a built-in encoder \(all-minilm/,
    ],
    [
      'an encoder of images for texts',
      ['--encoder', 'efficientnet-lite0'],
      1,
      /words\.csv holds texts, --encoder efficientnet-lite0 is an encoder of images: name one of texts/,
    ],
    [
      'an encoder of the registry',
      ['--encoder', 'graphs'],
      1,
      /graphs is a version of the registry, which holds graphs/,
    ],
    ['more layers than there are', ['--layers', '9'], 2, /--layers 9: .*bert-mean has 2 layers/],
    ['more than all of the weights', ['--alpha', '1.5'], 2, /--alpha.*0\.01.*1/],
    ['several labels for one', ['--loss', 'binary'], 2, /--loss binary is for several labels/],
    [
      'contrast without layers',
      ['--loss', 'contrastive', '--head-only'],
      2,
      /contrastive has no output layer/,
    ],
    ['a layer by name', ['--from-layer', 'x'], 2, /--from-layer is for networks of images/],
    ['mirror images of texts', ['--flip'], 2, /--flip is for images/],
    ['two sets of layers', ['--layers', '1', '--full'], 2, /give one of them/],
    ['one name for both', ['--encoder-name', 'words'], 1, /cannot be both classifier and encoder/],
    ['a built-in name', ['--encoder-name', 'all-minilm-l6-v2'], 1, /is a built-in encoder/],
    ['too little memory', ['--max-memory', '1MB'], 2, /memory|MB/],
    [
      'a mad learning rate',
      ['--learning-rate', '1e6', '--head-learning-rate', '1e6'],
      2,
      /diverged.*nothing is published; lower --learning-rate \(1000000\)/,
    ],
  ])(
    'is told: %s',
    async (_, argv, code, message) => {
      if (argv.includes('graphs')) await publishTinyEncoder(openFolder('bad'), 'graphs')
      const made = await finetune('bad', ...argv)
      expect(made.stderr).toMatch(message)
      expect(made.stderr.trim().split('\n')).toHaveLength(1)
      expect(made.code).toBe(code)
      expect(await openFolder('bad').listVersions('words')).toEqual([])
      expect(await openFolder('bad').listVersions('words-encoder')).toEqual([])
    },
    120_000,
  )

  it.each([
    [
      'one label',
      toCsv(rows.map(({ text }) => ({ text, label: 'motion' }))),
      /two classes are needed/,
    ],
    ['five rows', toCsv(rows.slice(0, 5)), /rows?: fine-tuning an encoder takes at least 16/],
  ])(
    'is told: %s',
    async (name, content, message) => {
      const file = path(`${name.replace(' ', '-')}.csv`)
      await writeFile(file, content)
      const made = await run('bad', 'finetune', file, '--name', 'words', '-q')
      expect([made.code, made.stdout]).toEqual([1, ''])
      expect(made.stderr).toMatch(message)
    },
    60_000,
  )
})
