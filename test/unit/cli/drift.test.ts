import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AnswerReference } from '../../../shared/lib/manifests/answers-file.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { createTestHead, createTestRegistry, publishHead } from '../../fakes/heads.ts'
import { runCommand } from './run.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-drift-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const HEAD = createTestHead('label')
/** Half of 400 rows answered with a score in (0.8, 0.9], half in (0.9, 0.95]; 380 like the training data. */
const REFERENCE: AnswerReference = {
  source: 'test',
  rows: 400,
  labels: [200, 100, 100],
  none: 0,
  scores: [0, 0, 0, 0, 0, 0, 0, 0, 200, 200, 0, 0, 0, 0, 0],
  scoreSum: 352,
  inDistribution: { rows: 400, inside: 380 },
}

interface Answers {
  readonly count: number
  readonly score?: number
  readonly inside?: number
  readonly model?: string
}

function lines({ count, score, inside = 19, model = 'intent@v1' }: Answers): string {
  const all = Array.from({ length: count }, (_, i) => {
    const label = HEAD.labels[i % 4 < 2 ? 0 : i % 4 === 2 ? 1 : 2]!
    const own = score ?? (i % 2 === 0 ? 0.85 : 0.92)
    const labels = [{ label, score: own }]
    return JSON.stringify({ model, label, score: own, labels, in_distribution: i % 20 < inside })
  })
  return `${all.join('\n')}\n`
}

async function drift(content: string, ...argv: string[]) {
  const registry = createTestRegistry()
  await publishHead(registry, 'intent', HEAD, { answers: { reference: REFERENCE } })
  await publishHead(registry, 'bare', HEAD)
  const few = { ...REFERENCE, rows: 40 }
  await publishHead(registry, 'few', HEAD, { answers: { reference: few } })
  const file = join(folder, 'answers.jsonl')
  await writeFile(file, content)
  const [model = 'intent', ...options] = argv
  return runCommand(['drift', model, file, ...options], { boot: createFakeBoot({ registry }) })
}

describe('espalier drift', () => {
  it('is calm where answers are as they were', async () => {
    const { code, stdout } = await drift(lines({ count: 400 }), 'intent', '--fail-on-drift')
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^intent@v1: no drift that chance does not explain, in 400 answers beside 400 rows/,
    )
    expect(stdout).toMatch(/like the training data +95\.0 % +95\.0 % +1\.0000 +as before/)
  })

  it('tells what has moved, and ends with 1 where that is asked for', async () => {
    const strange = lines({ count: 400, score: 0.42, inside: 10 })
    const shown = await drift(strange)
    expect(shown.code).toBe(0)
    expect(shown.stdout).toContain('intent@v1: the inputs have drifted, in 400 answers')
    expect(shown.stdout).toMatch(/mean score +0\.880 +0\.420 +\de-\d+ +moved/)
    expect(shown.stdout).toMatch(/like the training data +95\.0 % +50\.0 % +\de-\d+ +moved/)
    const failed = await drift(strange, 'intent@v1', '--fail-on-drift', '--json')
    expect(failed.code).toBe(1)
    expect(JSON.parse(failed.stdout)).toMatchObject({
      model: 'intent@v1',
      answers: 400,
      result: { alarm: true, scores: { drifted: true }, labels: { drifted: false } },
    })
  })

  it('cannot tell from three answers, and says how many it takes', async () => {
    const { code, stdout } = await drift(lines({ count: 3 }), 'intent', '--fail-on-drift')
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^intent@v1: 3 answers cannot tell; give 100 at least \(\d+ find a fall of like inputs by ten points nine times in ten\)\n$/,
    )
  })

  it('reads the log of a server, and passes over other versions', async () => {
    const scores = { '0.9': 150, '0.95': 150 }
    const labels = [{ label: HEAD.labels[0], answers: 150 }]
    const own = {
      model: 'intent@v1',
      answers: 300,
      labels,
      meanScore: 0.88,
      scores,
      inDistribution: 0.95,
    }
    const log = [
      { level: 'info', message: 'listening' },
      { message: 'request', answered: [own, { ...own, model: 'intent@v2' }] },
    ]
    const { stdout } = await drift(log.map((line) => JSON.stringify(line)).join('\n'))
    expect(stdout).toContain('no drift that chance does not explain, in 300 answers')
    expect(stdout).toContain('300 answers of other versions passed over')
  })

  it.each([
    [
      'a version without a reference',
      'bare',
      lines({ count: 1 }),
      'bare@v1 has no answers to compare with; train it again',
    ],
    [
      'a reference of few rows',
      'few',
      lines({ count: 1 }),
      '40 rows to compare with; 50 at least are needed',
    ],
    [
      'answers of another version',
      'intent',
      lines({ count: 1, model: 'intent@v9' }),
      'there are answers of intent@v9 and none of intent@v1',
    ],
    ['no answers', 'intent', '{"text": "a"}\n', 'none of 1 lines has an answer'],
    ['a log that is none', 'intent', '{"answered": 3}\n', '"answered" is not as servers log it'],
  ])('refuses %s in one line', async (_what, model, content, why) => {
    const { code, stderr } = await drift(content, model)
    expect(code).not.toBe(0)
    expect(stderr).toContain(why)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })
})
