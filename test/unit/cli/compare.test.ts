import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Registry } from '../../../shared/registry/types.ts'
import { scoreAnswers } from '../../../shared/training/evaluation/score-answers.ts'
import { createFakeBoot, type FakeBoot } from '../../fakes/fake-boot.ts'
import { createTestHead, createTestRegistry, publishHead } from '../../fakes/heads.ts'
import { runCommand } from './run.ts'

const TEXTS = Array.from({ length: 60 }, (_, i) => `text number ${i}`)
let folder: string
let registry: Registry
let boot: FakeBoot

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-compare-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

beforeEach(async () => {
  registry = createTestRegistry()
  boot = createFakeBoot({ registry, cacheFolder: join(folder, 'cache') })
  const head = createTestHead('label')
  await publishHead(registry, 'intent', head)
  const { weights } = createTestHead('other')
  await publishHead(registry, 'intent', { ...head, weights }, { alias: 'challenger' })
})

const compare = (...argv: string[]) =>
  runCommand(['compare', ...argv, '--format', 'csv', '-q'], { boot })

async function file(rows: readonly string[]): Promise<string> {
  const path = join(folder, 'rows.csv')
  await writeFile(path, `${rows.join('\n')}\n`)
  return path
}

/** What each version says, asked one by one. */
async function predict(version: string): Promise<{ label: string; score: number }[]> {
  const run = await runCommand(['predict', `intent@${version}`, '-', '--format', 'txt', '-q'], {
    boot,
    stdin: TEXTS.join('\n'),
  })
  expect(run.code, run.stderr).toBe(0)
  return run.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('espalier compare', () => {
  it('counts agreement and shift as predictions one by one give them', async () => {
    const run = await compare('intent', 'v1', 'v2', await file(['text', ...TEXTS]), '--json')
    expect(run.code, run.stderr).toBe(0)
    const result = JSON.parse(run.stdout)
    const [a, b] = [await predict('v1'), await predict('v2')]
    const count = TEXTS.filter((_, i) => a[i]!.label !== b[i]!.label).length
    expect(result).toMatchObject({
      rows: 60,
      labelledRows: 0,
      agreed: 60 - count,
      difference: null,
      before: { model: 'intent@v1', quality: null },
      after: { model: 'intent@v2', quality: null },
    })
    const mean = (values: number[]) => values.reduce((x, y) => x + y, 0) / values.length
    const shifts = TEXTS.map((_, i) => b[i]!.score - a[i]!.score)
    expect(result.meanShift).toBeCloseTo(mean(shifts), 5)
    expect(result.meanAbsoluteShift).toBeCloseTo(mean(shifts.map(Math.abs)), 5)
    expect(result.disagreements).toHaveLength(Math.min(10, count))
    for (const { line, text, before, after } of result.disagreements) {
      expect(text).toBe(TEXTS[line - 2])
      expect(before.labels).toEqual([a[line - 2]!.label])
      expect(after.labels).toEqual([b[line - 2]!.label])
    }
    const sureness = result.disagreements.map(
      (each: { before: { score: number }; after: { score: number } }) =>
        Math.min(each.before.score, each.after.score),
    )
    expect(sureness).toEqual([...sureness].sort((x: number, y: number) => y - x))
  })

  it('judges both where the rows have labels, and takes aliases', async () => {
    const truth = await predict('v2')
    const labelled = TEXTS.map((text, i) => `${text},${i % 6 === 0 ? '' : truth[i]!.label}`)
    const path = await file(['text,label', ...labelled])
    const run = await compare('intent', 'champion', 'challenger', path, '--json', '--top', '3')
    const result = JSON.parse(run.stdout)
    expect(result).toMatchObject({ rows: 60, labelledRows: 50 })
    const all = result.after.quality.accuracy
    expect(all).toMatchObject({ value: 1, high: 1, method: 'clopper-pearson' })
    expect(all.low).toBeCloseTo(0.025 ** (1 / 50), 10)
    const { value, low, high } = result.before.quality.accuracy
    expect(low).toBeLessThan(value)
    expect(high).toBeGreaterThan(value)
    expect(result.difference.difference).toBeCloseTo(1 - value, 10)
    expect(result.disagreements).toHaveLength(3)
    const text = await compare('intent', 'v1', 'v2', path)
    expect(text.stdout).toMatch(/^intent@v1 and intent@v2 agree on \d+ of 60 rows \(\d+\.\d %\)/)
    expect(text.stdout).toMatch(/\nintent@v2 +100\.0 % \(92\.9 % to 100\.0 %\)/)
  })

  it('says what is wrong in one line', async () => {
    const path = await file(['text', 'a'])
    const missing = await compare('intent', 'v1', 'v9', path)
    expect(missing.code).toBe(1)
    expect(missing.stderr).toMatch(/^espalier: intent has no v9; .*\n$/)
    const column = await compare('intent', 'v1', 'v2', path, '--label-column', 'topic')
    expect(column.stderr).toContain('no column "topic"; the columns are "text"')
    await publishHead(registry, 'intent', createTestHead('far', { family: 'b'.repeat(64) }))
    const far = await compare('intent', 'v1', 'v3', path)
    expect(far.stderr).toMatch(/intent@v3 was trained on family b{64}/)
    const empty = await compare('intent', 'v1', 'v2', await file(['text', '""']))
    expect(empty.stderr).toContain('no row has a text')
    expect(boot.openEncoders()).toBe(0)
  })
})

describe('scoreAnswers', () => {
  it('gives the accuracy and macro-F1 of scikit-learn', () => {
    // f1_score(['a','b','b','c'], ['a','a','b','b'], average='macro') = (2/3 + 1/2 + 0) / 3
    const said = [['a'], ['a'], ['b'], ['b']]
    const { quality, right } = scoreAnswers(said, [['a'], ['b'], ['b'], ['c']])
    expect([...right]).toEqual([1, 0, 1, 0])
    expect(quality.accuracy.value).toBe(0.5)
    expect(quality.macroF1.value).toBeCloseTo((2 / 3 + 1 / 2) / 3, 12)
  })

  it('has an interval about as wide as the normal approximation', () => {
    const truth = Array.from({ length: 400 }, () => ['yes'])
    const said = truth.map((_, i) => [i % 5 === 0 ? 'no' : 'yes'])
    const { value, low, high } = scoreAnswers(said, truth).quality.accuracy
    const half = 1.96 * Math.sqrt((0.8 * 0.2) / 400)
    expect(value).toBe(0.8)
    expect(high - low).toBeGreaterThan(1.6 * half)
    expect(high - low).toBeLessThan(2.4 * half)
  })
})
