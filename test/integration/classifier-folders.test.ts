import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classifyResponseSchema } from '../../shared/contract/classify.ts'
import { bundledCli } from '../cli-bundle.ts'
import { finish } from './finish-process.ts'
import { startedServer } from './server-process.ts'

const bundle = bundledCli()
const golden = (name: string) =>
  fileURLToPath(new URL(`../golden/classifiers/${name}`, import.meta.url))
let folder: string
const path = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-classifiers-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const settings = () => ({
  ESPALIER_CACHE: path('cache'),
  ESPALIER_REGISTRY: `file:${path('registry')}`,
  ESPALIER_PRECISION: 'float32',
  ESPALIER_WORKERS: '1',
  ESPALIER_LOG_LEVEL: 'error',
})

function run(...argv: string[]) {
  const env = { PATH: process.env.PATH, ...settings() }
  return finish(spawn(process.execPath, [bundle.script, ...argv], { env }))
}

/** Texts with the probabilities of transformers, shape [texts, labels]. */
interface Expected {
  readonly labels: readonly string[]
  readonly several: boolean
  readonly items: readonly { readonly text: string; readonly probabilities: readonly number[] }[]
}

async function readExpected(name: string): Promise<Expected> {
  return JSON.parse(await readFile(join(golden(name), 'expected.json'), 'utf8'))
}

interface Scored {
  readonly labels: readonly { readonly label: string; readonly score: number }[]
}

function expectScores({ labels, items }: Expected, found: readonly Scored[]): void {
  expect(found).toHaveLength(items.length)
  for (const [row, { text, probabilities }] of items.entries()) {
    const scores = new Map(found[row]!.labels.map(({ label, score }) => [label, score]))
    for (const [i, label] of labels.entries()) {
      const difference = Math.abs((scores.get(label) ?? Number.NaN) - probabilities[i]!)
      expect(difference, `${label} of ${text}`).toBeLessThan(1e-4)
    }
  }
}

describe('a folder of a fine-tuned classifier', () => {
  const NAMES = ['bert-sentiment', 'distilbert-topics', 'roberta-plain', 'mpnet-topics'] as const

  it.each(NAMES)('answers as transformers does: %s', async (name) => {
    const expected = await readExpected(name)
    const made = await run(
      ...['export', golden(name), '--output', path(name), '--precision', 'float32', '-q'],
      ...['--publish', '--promote', '--by', 'ci', '--idempotency-key', name],
    )
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(made.stdout).toContain(`${name}-encoder@v1: encoder, `)
    expect(made.stdout).toContain(`${name}@v1: classifier, 1 file`)
    expect(made.stdout).toContain(`labels: ${expected.labels.join(', ')}\n`)

    const rows = expected.items.map(({ text }) => JSON.stringify({ text })).join('\n')
    await writeFile(path(`${name}.jsonl`), rows)
    // The encoder is the classifier's own, which nobody names.
    const all = ['--top-k', '10', ...(expected.several ? ['--threshold', '0'] : [])]
    const predicted = await run('predict', name, path(`${name}.jsonl`), ...all, '-q')
    expect([predicted.code, predicted.stderr]).toEqual([0, ''])
    const lines = predicted.stdout.trimEnd().split('\n')
    expectScores(
      expected,
      lines.map((line) => JSON.parse(line)),
    )
  })

  it('is served beside others, whatever was embedded before', async () => {
    const server = await startedServer(bundle.script, settings())
    try {
      const post = async (route: string, body: object) => {
        const response = await fetch(`${server.url}${route}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
        expect(response.status).toBe(200)
        return response.json()
      }
      for (const name of NAMES) {
        const expected = await readExpected(name)
        const inputs = expected.items.map(({ text }) => text)
        const body = { model: name, inputs, top_k: 10, ...(expected.several && { threshold: 0 }) }
        // Vectors come from the cache the second time.
        for (let times = 0; times < 2; times++) {
          const { data } = classifyResponseSchema.parse(await post('/classify', body))
          expectScores(
            expected,
            data.map(({ predictions }) => predictions[0] as Scored),
          )
        }
      }
    } finally {
      await server.stop()
    }
  })

  it('tells where it comes from', async () => {
    const shown = JSON.parse((await run('show', 'bert-sentiment', '--json')).stdout)
    expect(JSON.stringify(shown)).toContain('BertForSequenceClassification')
    expect(JSON.stringify(shown)).toContain('bert-sentiment-encoder@v1')
  })

  it('answers so under the names that RoBERTa has in other languages', async () => {
    await cp(golden('roberta-plain'), path('xlm'), { recursive: true })
    const config = JSON.parse(await readFile(join(path('xlm'), 'config.json'), 'utf8'))
    const names = {
      model_type: 'xlm-roberta',
      architectures: ['XLMRobertaForSequenceClassification'],
    }
    await writeFile(join(path('xlm'), 'config.json'), JSON.stringify({ ...config, ...names }))
    const argv = [
      '--output',
      path('xlm-out'),
      '--precision',
      'float32',
      '-q',
      '--publish',
      '--promote',
    ]
    const made = await run('export', path('xlm'), ...argv)
    expect([made.code, made.stderr]).toEqual([0, ''])
    const predicted = await run('predict', 'xlm', path('roberta-plain.jsonl'), '-q')
    const lines = predicted.stdout.trimEnd().split('\n')
    expectScores(
      await readExpected('roberta-plain'),
      lines.map((line) => JSON.parse(line)),
    )
  })

  it('is made without its output layer where that is asked for', async () => {
    const argv = ['--headless', '--pooling', 'mean', '--precision', 'float32', '-q']
    const made = await run('export', golden('bert-sentiment'), '--output', path('bare'), ...argv)
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(made.stdout).toMatch(/^\S+: bert-sentiment \(bert, 32 dimensions, .* mean pooling\)/)
    expect(made.stdout.trimEnd().split('\n')).toHaveLength(1)
  })
})

describe('what cannot be served with its labels', () => {
  it.each<[string, object, string[], RegExp, number]>([
    ['one score', { id2label: { 0: 'x' } }, [], /gives a score \(one label\)/, 1],
    ['a regression', { problem_type: 'regression' }, [], /a score \(problem_type regression\)/, 1],
    ['another problem', { problem_type: 'ranking' }, [], /problem_type ranking; supported: /, 1],
    ['a gap', { id2label: { 0: 'a', 1: 'b', 3: 'c' } }, [], /3 labels and the id 3/, 1],
    ['an id in words', { id2label: { 0: 'a', one: 'b' } }, [], /the id one, which is no number/, 1],
    ['a name twice', { id2label: { 0: 'a', 1: 'a', 2: 'b' } }, [], /id2label names a twice/, 1],
    [
      'labels that its weights do not have',
      { id2label: { 0: 'a', 1: 'b' } },
      [],
      /tensor classifier\.weight is \[3, 32\]; the configuration asks for \[2, 32\]/,
      1,
    ],
    ['another pooling', {}, ['--pooling', 'mean'], /--pooling mean: .* reads .* first token/, 2],
    ['one name for both', {}, ['--encoder-name', 'broken'], /cannot be both/, 2],
  ])('is told: %s', async (_, change, argv, message, code) => {
    const broken = await mkdtemp(path('broken-'))
    await cp(golden('bert-sentiment'), broken, { recursive: true })
    const config = JSON.parse(await readFile(join(broken, 'config.json'), 'utf8'))
    await writeFile(join(broken, 'config.json'), JSON.stringify({ ...config, ...change }))
    const output = ['--output', `${broken}-out`, '--name', 'broken', '--precision', 'float32']
    const made = await run('export', broken, ...output, ...argv, '-q')
    expect(made.stderr).toMatch(message)
    expect(made.stderr.trimEnd().split('\n')).toHaveLength(1)
    expect([made.code, made.stdout]).toEqual([code, ''])
  })

  it('is told: an encoder with a name for its classifier', async () => {
    const encoder = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
    const made = await run('export', encoder, '--encoder-name', 'x', '-q')
    expect([made.code, made.stderr]).toEqual([
      2,
      expect.stringMatching(/--encoder-name is for folders of classifiers/),
    ])
  })
})
