import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readHead } from '../../../shared/versions/head-version.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { createTestHead, createTestRegistry, publishHead } from '../../fakes/heads.ts'
import { runCommand } from './run.ts'

const intents = fileURLToPath(new URL('../../fixtures/intents.csv', import.meta.url))
const registry = createTestRegistry()
let folder: string
let texts: string
let boot: ReturnType<typeof createFakeBoot>

interface Line {
  readonly label: string | null
  readonly score: number
  readonly labels: readonly { readonly label: string; readonly score: number }[]
  readonly abstained?: boolean
  readonly prediction_set?: {
    readonly labels: Line['labels']
    readonly coverage: number
    readonly by_label: boolean
    readonly too_few_rows: number
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-answers-'))
  boot = createFakeBoot({
    encoder: { dimension: 32 },
    cacheFolder: join(folder, 'cache'),
    registry,
  })
  texts = join(folder, 'texts.txt')
  await writeFile(texts, Array.from({ length: 30 }, (_, i) => `text ${i}`).join('\n'))
  const trained = await run('train', intents, '--name', 'intent', '-q', '--promote')
  expect(trained).toMatchObject({ code: 0 })
  const multi = { activation: 'sigmoid', dimension: 32 } as const
  await publishHead(registry, 'tags', createTestHead('tag', multi))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const run = (...argv: string[]) => runCommand(argv, { boot })

const parse = (text: string): Line[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

async function predict(model: string, ...argv: string[]): Promise<Line[]> {
  const { code, stdout, stderr } = await run('predict', model, texts, '-q', '--top-k', '4', ...argv)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return parse(stdout)
}

describe('prediction sets of a trained classifier', () => {
  it('hold the likely labels, larger ones the more they are to cover', async () => {
    const plain = await predict('intent')
    const sizes: number[] = []
    for (const coverage of [0.5, 0.8, 0.95]) {
      const lines = await predict('intent', '--prediction-set', String(coverage))
      for (const [row, { prediction_set: set }] of lines.entries()) {
        expect(set).toMatchObject({ coverage, by_label: false, too_few_rows: 0 })
        // The best of all, as many as there are.
        expect(set!.labels).toEqual(plain[row]!.labels.slice(0, set!.labels.length))
      }
      sizes.push(lines.reduce((sum, line) => sum + line.prediction_set!.labels.length, 0))
    }
    expect(sizes[0]).toBeLessThan(sizes[1]!)
    expect(sizes[1]).toBeLessThan(sizes[2]!)
    expect(plain[0]).not.toHaveProperty('prediction_set')
  })

  it('are the same in bulk, where a job keeps to what it began with', async () => {
    const wishes = ['--prediction-set', '0.8', '--min-score', '0.6', '--threshold', 'refund=0.9']
    const output = join(folder, 'out')
    const bulk = ['bulk', texts, '--output', output, '--classifier', 'intent', '--top-k', '4', '-q']
    expect(await run(...bulk, ...wishes)).toMatchObject({ code: 0 })
    const lines = parse(await readFile(join(output, 'texts.jsonl'), 'utf8'))
    const alone = await predict('intent', ...wishes)
    expect(
      lines.map(({ prediction_set, abstained, label }) => [prediction_set, abstained, label]),
    ).toEqual(
      alone.map(({ prediction_set, abstained, label }) => [prediction_set, abstained, label]),
    )
    await rm(join(output, 'texts.jsonl'))
    const other = await run(...bulk, '--prediction-set', '0.9')
    expect(other.code).toBe(2)
    expect(other.stderr).toContain('was begun with thresholds {"refund":0.9}, not unset')
  })

  it('are refused without enough rows, without any, and with several labels a text', async () => {
    const few = await run('predict', 'intent', texts, '--prediction-set', '0.99')
    expect(few).toMatchObject({ code: 1, stdout: '' })
    expect(few.stderr).toMatch(/needs 99 held-out rows/)
    const several = await run('predict', 'tags', texts, '--prediction-set', '0.9')
    expect(several.stderr).toContain('tags@v1 gives several labels')
    const useless = await run('predict', 'intent', texts, '--set-by-label')
    expect(useless.stderr).toContain('--prediction-set')
  })

  it.each(['0', '1', '0.4', 'a', 'NaN', '-1'])(
    'are refused at a coverage of %s',
    async (coverage) => {
      const { code, stderr } = await run('predict', 'intent', texts, `--prediction-set=${coverage}`)
      expect(code).toBe(2)
      expect(stderr).toContain('It must be a number from 0.5 to 0.999.')
    },
  )
})

describe('scores that answers must reach', () => {
  it('mark answers below them', async () => {
    const lines = await predict('intent', '--min-score', '0.6')
    expect(lines.map(({ abstained }) => abstained)).toEqual(
      lines.map(
        (line) => line.score < 0.6 || ('in_distribution' in line && line.in_distribution === false),
      ),
    )
    expect((await predict('intent'))[0]).not.toHaveProperty('abstained')
  })

  it('may be those of single labels', async () => {
    const all = await predict('tags', '--threshold', '0')
    const lines = await predict('tags', '--threshold', 'tag0=0.9', '--threshold', 'tag2=0.1')
    const least: Record<string, number> = { tag0: 0.9, tag1: 0.5, tag2: 0.1 }
    expect(lines.map(({ labels }) => labels)).toEqual(
      all.map(({ labels }) => labels.filter(({ label, score }) => score >= least[label]!)),
    )
  })

  it.each([
    [['--threshold', 'sport=0.3'], 1, 'tags@v1 has no label "sport"'],
    [['--threshold', 'tag0=0.3', '--threshold', '0.5'], 2, 'not both'],
    [['--threshold', '0.5', '--threshold', 'tag0=0.3'], 2, 'not both'],
    [['--threshold', 'tag0=NaN'], 2, 'It must be a number from 0 to 1.'],
    [['--threshold', '=0.3'], 2, 'A label stands before'],
    [['--min-score', '1.5'], 2, 'It must be a number from 0 to 1.'],
    [['--min-score', '0.5'], 1, 'tags@v1 gives several labels'],
  ])('are refused as %j', async (argv, code, why) => {
    const found = await run('predict', 'tags', texts, ...argv)
    expect(found).toMatchObject({ code, stdout: '' })
    expect(found.stderr).toContain(why)
  })
})

describe('a classifier trained for a precision', () => {
  it('has no score where the rows cannot show the precision, and never abstains', async () => {
    const made = await run('train', intents, '--name', 'unsure', '-q', '--precision-at', '0.999')
    expect(made).toMatchObject({ code: 0 })
    expect((await readHead(registry, 'unsure@v1')).answers.abstention).toBeUndefined()
    const lines = await predict('unsure@v1')
    expect(lines.every(({ abstained }) => abstained === undefined)).toBe(true)
  })

  it.each(['0.4', '1', 'much'])('refuses the precision %s', async (value) => {
    const { code, stderr } = await run('train', intents, '--name', 'x', '--precision-at', value)
    expect(code).not.toBe(0)
    expect(stderr).toContain('--precision-at')
  })
})
