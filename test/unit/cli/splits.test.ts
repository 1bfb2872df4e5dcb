import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

const intents = fileURLToPath(new URL('../../fixtures/intents.csv', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-splits-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function file(name: string, lines: readonly string[]): Promise<string> {
  await writeFile(join(folder, name), `${lines.join('\n')}\n`)
  return join(folder, name)
}

/** Trains without publishing; the report and what stderr says. */
async function train(...argv: string[]) {
  const registry = openRegistry(openMemoryStore())
  const boot = createFakeBoot({ encoder: { dimension: 32 }, registry })
  const all = ['train', ...argv, '--name', 'intent', '--method', 'ridge', '--report', folder]
  const run = await runCommand(all, { boot })
  const report =
    run.code === 0 ? JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) : null
  const head = run.code === 0 ? await registry.getVersion('intent', 1) : null
  return { ...run, report, head }
}

/** What words alone reach on the folds and rows that the head is measured on: vectors of the fake encoder know no likeness. */
function tfIdf({ report }: Awaited<ReturnType<typeof train>>): readonly [number, number] {
  interface Figures {
    readonly accuracy: number
  }
  const baselines: { name: string; test: Figures; repeated: Figures }[] = report.baselines
  const { test, repeated } = baselines.find(({ name }) => name === 'tf-idf')!
  return [test.accuracy, repeated.accuracy]
}

const LABELS = ['red', 'blue', 'green', 'black']
const words = (random: ReturnType<typeof createRandom>) =>
  Array.from({ length: 7 }, () => random.below(1e6).toString(36)).join(' ')

/** Texts with a label by chance, each four times with other marks. */
function copies(count: number): string[] {
  const random = createRandom(5)
  return Array.from(
    { length: count },
    () => [words(random), LABELS[random.below(4)]!] as const,
  ).flatMap(([text, label]) =>
    [text, `${text}.`, `${text}!`, text.toUpperCase()].map((t) => `${t},${label}`),
  )
}

describe('near-duplicates in training', () => {
  it('no longer flatter labels by chance', async () => {
    const data = await file('copies.csv', ['text,label', ...copies(60)])
    const leaking = await train(data, '--near-duplicates', 'ignore')
    expect(Math.min(...tfIdf(leaking))).toBeGreaterThan(0.9)
    expect(leaking.report.split.kind).toBe('stratified')
    const honest = await train(data)
    expect(Math.max(...tfIdf(honest))).toBeLessThan(0.5)
    expect(honest.report.test.accuracy).toBeLessThan(0.5)
    expect(honest.report.crossValidation.accuracy).toBeLessThan(0.5)
    expect(honest.report.split.kind).toBe('grouped')
    expect(honest.report.split.testRows % 4).toBe(0)
    expect(honest.stderr).toContain('240 rows in 60 groups are near-duplicates')
    expect(honest.stderr).toContain('line 2 = line 3 = line 4 = line 5')
    expect(await readFile(join(folder, 'report.md'), 'utf8')).toContain('grouped')
  })

  it('quote texts only where that is asked for', async () => {
    const data = await file('quoted.csv', ['text,label', ...copies(30)])
    const text = (await readFile(data, 'utf8')).split('\n')[1]!.split(',')[0]!
    expect((await train(data)).stderr).not.toContain(text)
    expect((await train(data, '--quote-texts')).stderr).toContain(text)
  })

  it('leave data without any as they were, to the byte', async () => {
    const plain = await train(intents, '--near-duplicates', 'ignore')
    const kept = await train(intents)
    const shaOf = ({ head }: typeof kept) =>
      head!.files.find(({ path }) => path === 'head.bin')!.sha256
    expect(shaOf(kept)).toBe(shaOf(plain))
    expect(kept.report.split).toEqual(plain.report.split)
    expect(kept.report.split.kind).toBe('stratified')
  })

  it('of training rows in a test file are counted, with the accuracy of the others', async () => {
    const rows = copies(30)
    const data = await file('learnt.csv', ['text,label', ...rows.filter((_, at) => at % 4 === 0)])
    const random = createRandom(9)
    const others = Array.from({ length: 30 }, () => `${words(random)},${LABELS[random.below(4)]!}`)
    const test = await file('asked.csv', [
      'text,label',
      ...rows.filter((_, at) => at % 4 === 1).slice(0, 10),
      ...others,
    ])
    const { stderr, report } = await train(data, '--test', test)
    expect(stderr).toMatch(
      /10 test rows are near-duplicates of training rows \(line 2, .*without them the accuracy is \d+\.\d % on 30 rows/,
    )
    expect(report.split.testRows).toBe(40)
    expect(report.dataset.warnings.map(({ code }: { code: string }) => code)).toContain(
      'near_duplicates_of_training',
    )
  })
})

describe('--group-column', () => {
  const random = createRandom(2)
  /** Rows of groups whose words tell the group, and the label only by it. */
  const grouped = Array.from({ length: 40 }, (_, group) => {
    const own = Array.from({ length: 6 }, () => random.below(1e6).toString(36))
    return Array.from({ length: 5 }, (_, at) => {
      const text = own.map((word, place) => (place === at ? random.below(1e6).toString(36) : word))
      return `${text.join(' ')},${LABELS[group % 4]!},thread ${group}`
    })
  }).flat()

  it('keeps a group on one side of every split', async () => {
    const data = await file('threads.csv', ['text,label,thread', ...grouped])
    const rule = ['--near-duplicates', 'ignore'] as const
    const leaking = await train(data, ...rule)
    const honest = await train(data, ...rule, '--group-column', 'thread')
    expect(Math.min(...tfIdf(leaking))).toBeGreaterThan(0.9)
    expect(Math.max(...tfIdf(honest))).toBeLessThan(0.5)
    expect(honest.report.split).toMatchObject({ kind: 'grouped', trainRows: 160, testRows: 40 })
    expect(await train(data, ...rule, '--group-column', 'thread')).toMatchObject({
      stdout: honest.stdout,
    })
  })

  it('keeps a group in one fold of the learning curve where nothing is held out', async () => {
    const data = await file('curve.csv', ['text,label,thread', ...grouped])
    const rule = ['--near-duplicates', 'ignore', '--test-fraction', '0'] as const
    const best = ({ report }: Awaited<ReturnType<typeof train>>): number =>
      Math.max(
        ...report.learningCurve.points.map(
          ({ tfIdf }: { tfIdf: { accuracy: number } }) => tfIdf.accuracy,
        ),
      )
    expect(best(await train(data, ...rule))).toBeGreaterThan(0.7)
    expect(best(await train(data, ...rule, '--group-column', 'thread'))).toBeLessThan(0.5)
  })

  it('says what is odd about groups', async () => {
    const [first, second, ...rest] = grouped
    const odd = [
      first!.replace(',thread 0', ','),
      second!.replace(/,\w+,/, ',white,'),
      `${words(random)},white,thread 0`,
      ...rest,
    ]
    const data = await file('odd.csv', ['text,label,thread', ...odd])
    const { code, stderr } = await train(data, '--group-column', 'thread')
    expect(code).toBe(0)
    expect(stderr).toContain('1 row has no group and stands alone (line 2)')
    expect(stderr).toContain('1 group has rows of several labels ("thread 0")')
  })

  it('refuses a column that is not there, is empty, or has one group', async () => {
    const one = grouped.map((row) => row.replace(/thread \d+$/, 'all'))
    const data = await file('one.csv', ['text,label,thread', ...one])
    const failed = await train(data, '--group-column', 'thread')
    expect(failed.code).not.toBe(0)
    expect(failed.stderr).toContain('all rows are of one group, "all"')
    expect(failed.stderr).toContain('Name a column with several groups')
    const missing = await train(data, '--group-column', 'customer')
    expect(missing.stderr).toContain(
      'no column "customer"; the columns are "text", "label", "thread"',
    )
    const empty = await file('empty.csv', [
      'text,label,thread',
      ...grouped.map((row) => row.replace(/thread \d+$/, '')),
    ])
    expect((await train(empty, '--group-column', 'thread')).stderr).toContain(
      'every cell of "thread" is empty',
    )
  })

  it('takes a group of its own for every row as no groups', async () => {
    const own = grouped.map((row, at) => row.replace(/thread \d+$/, `row ${at}`))
    const data = await file('own.csv', ['text,label,thread', ...own])
    const { code, report } = await train(data, '--group-column', 'thread')
    expect(code).toBe(0)
    expect(report.split.testRows).toBeGreaterThan(30)
  })

  it('leaves test rows out whose group is learnt', async () => {
    const data = await file('train.csv', ['text,label,thread', ...grouped.slice(0, 150)])
    const test = await file('test.csv', ['text,label,thread', ...grouped.slice(145)])
    const { stderr, report } = await train(data, '--test', test, '--group-column', 'thread')
    expect(report.split).toMatchObject({ kind: 'file', trainRows: 150, testRows: 50 })
    expect(stderr).toContain(
      '5 test rows left out, as their groups have training rows (line 2: "thread 29", ',
    )
    const same = await train(data, '--test', data, '--group-column', 'thread')
    expect(same.stderr).toContain('test on groups of their own')
  })
})
