import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-times-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const random = createRandom(3)
const word = () => random.below(1e6).toString(36)
const words = () => Array.from({ length: 6 }, word).join(' ')
const LABELS = ['red', 'blue']

/** Two rows a day, days 1 to 20 of January, in another order than that of their days. */
const rows = Array.from({ length: 40 }, (_, at) => {
  const day = ((at * 7) % 20) + 1
  return { text: words(), label: LABELS[at < 20 ? at % 2 : (at + 1) % 2]!, day }
})
const dated = (day: number) => `2026-01-${String(day).padStart(2, '0')}`

async function file(name: string, lines: readonly string[]): Promise<string> {
  await writeFile(join(folder, name), `${lines.join('\n')}\n`)
  return join(folder, name)
}

const written = (name: string, timeOf: (day: number) => string | number) =>
  file(name, [
    'text,label,when,thread',
    ...rows.map(({ text, label, day }, at) => `${text},${label},${timeOf(day)},t${at}`),
  ])

/** Trains by the times of a column; the report of what was made, and what stderr says. */
async function train(data: string, ...argv: string[]) {
  const boot = createFakeBoot({
    encoder: { dimension: 16 },
    registry: openRegistry(openMemoryStore()),
  })
  const usual = ['--name', 'n', '--method', 'ncm', '--no-learning-curve', '--dry-run']
  const all = ['train', data, '--time-column', 'when', ...usual, '--report', folder, ...argv]
  const run = await runCommand(all, { boot })
  const report =
    run.code === 0 ? JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) : null
  return { ...run, report }
}

const codesOf = ({ report }: Awaited<ReturnType<typeof train>>): string[] =>
  report.dataset.warnings.map(({ code }: { code: string }) => code)

describe('--time-column', () => {
  it('tests on the latest rows and learns those that are strictly earlier', async () => {
    const { report, stderr } = await train(await written('days.csv', dated))
    expect(report.split).toEqual({
      kind: 'time',
      source: null,
      trainRows: 32,
      testRows: 8,
      periods: {
        column: 'when',
        kind: 'date',
        cut: '2026-01-17',
        train: { from: '2026-01-01', to: '2026-01-16' },
        test: { from: '2026-01-17', to: '2026-01-20' },
        testRowsBeforeCut: 0,
      },
    })
    expect(stderr).not.toContain('cut')
    const markdown = await readFile(join(folder, 'report.md'), 'utf8')
    expect(markdown).toContain('the latest rows, from 2026-01-17 on by "when"')
    expect(markdown).toMatch(/\| Period of training +\| `2026-01-01 to 2026-01-16` /)
    expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('2026-01-17')
  })

  const start = Date.UTC(2026, 0, 1) / 86_400_000 - 1
  const seconds = (day: number) => (start + day) * 86_400
  it.each([
    ['Unix seconds', seconds, 'seconds', '2026-01-17'],
    [
      'Unix milliseconds',
      (day: number) => seconds(day) * 1000 + 5,
      'milliseconds',
      '2026-01-17T00:00:00.005Z',
    ],
    ['numbers', (day: number) => day - 10.5, 'number', '6.5'],
    [
      'times with an offset',
      (day: number) => `${dated(day)}T01:30:00+02:00`,
      'date',
      '2026-01-16T23:30:00Z',
    ],
    ['times without one', (day: number) => `${dated(day)} 09:30`, 'date', '2026-01-17T09:30:00Z'],
  ] as const)('reads %s', async (name, timeOf, kind, cut) => {
    const { report } = await train(await written(`${name}.csv`, timeOf))
    expect(report.split).toMatchObject({ trainRows: 32, testRows: 8, periods: { kind, cut } })
  })

  it('reads numbers of JSON lines', async () => {
    const lines = rows.map(({ text, label, day }) => JSON.stringify({ text, label, when: day }))
    const { report } = await train(await file('days.jsonl', lines))
    expect(report.split).toMatchObject({ testRows: 8, periods: { cut: '17' } })
  })

  it.each([
    ['2026-02-30', 'line 6: "when" is "2026-02-30", which is no time; write ISO 8601'],
    ['31/01/2026', 'line 6: "when" is "31/01/2026", which is no time'],
    ['2026-01-05T25:00:00', 'which is no time'],
    ['', 'line 6: "when" is "", which is no time'],
    ['nan', 'line 6: "when" is "nan", which is no time'],
    ['Infinity', 'which is no time'],
    [
      '12',
      'line 6: "when" is "12", a number, and line 2 has a date, "2026-01-01": one column holds one kind',
    ],
  ])('refuses the time %j by its line', async (cell, message) => {
    const lines = rows.map(({ text, label, day }, at) =>
      [text, label, at === 4 ? cell : dated(day)].join(','),
    )
    const { code, stderr } = await train(await file('odd.csv', ['text,label,when', ...lines]))
    expect(code).not.toBe(0)
    expect(stderr).toContain(message)
  })

  it('refuses seconds beside milliseconds', async () => {
    let at = 0
    const mixed = (day: number) => (at++ === 30 ? seconds(day) * 1000 : seconds(day))
    const { code, stderr } = await train(await written('mixed.csv', mixed))
    expect(code).not.toBe(0)
    expect(stderr).toContain('line 32: ')
    expect(stderr).toContain(
      'a number like Unix milliseconds, and line 2 has a number like Unix seconds',
    )
  })

  it('refuses one time, a missing column, and test rows of their own', async () => {
    const data = await written('one.csv', () => dated(3))
    expect((await train(data)).stderr).toContain('all rows are of 2026-01-03 in "when"')
    const other = await train(data, '--time-column', 'date')
    expect(other.stderr).toContain('no column "date"; the columns are "text", "label", "when"')
    const both = await train(data, '--test', data)
    expect(both.code).not.toBe(0)
    expect(both.stderr).toContain(
      '--time-column holds the latest rows out, and --test names others',
    )
  })

  it('keeps rows of one time on one side and says where that makes a large test', async () => {
    const data = await written('ties.csv', (day) => dated(day > 8 ? 9 : day))
    const result = await train(data)
    expect(result.report.split).toMatchObject({ trainRows: 16, testRows: 24 })
    expect(result.stderr).toContain('24 rows are held out where 8 were asked for')
    expect(codesOf(result)).toContain('uneven_cut')
  })

  it('takes a group to be as late as its latest row', async () => {
    const lines = rows.map(({ text, label, day }, at) =>
      [text, label, dated(day), day === 2 || day === 20 ? 'long' : `t${at}`].join(','),
    )
    const data = await file('groups.csv', ['text,label,when,thread', ...lines])
    const result = await train(data, '--group-column', 'thread')
    const { split } = result.report
    expect(split).toMatchObject({ kind: 'time', trainRows: 32, testRows: 8 })
    expect(split.periods).toMatchObject({
      cut: '2026-01-18',
      train: { to: '2026-01-17' },
      test: { from: '2026-01-02', to: '2026-01-20' },
      testRowsBeforeCut: 2,
    })
    expect(result.stderr).toContain('2 test rows are earlier than the cut, 2026-01-18')
  })

  it('takes near-duplicates and repeated rows to be as late as the latest', async () => {
    const [first] = rows.filter(({ day }) => day === 1)
    const { text, label } = first!
    const more = [`${text.toUpperCase()}!,${label},${dated(20)},x`]
    const base = (await readFile(await written('base.csv', dated), 'utf8')).trim().split('\n')
    const near = await train(await file('near.csv', [...base, ...more]))
    expect(near.report.split.periods).toMatchObject({
      test: { from: '2026-01-01' },
      testRowsBeforeCut: 1,
    })
    const apart = await train(join(folder, 'near.csv'), '--near-duplicates', 'ignore')
    expect(apart.report.split.periods).toMatchObject({
      test: { from: '2026-01-17' },
      testRowsBeforeCut: 0,
    })
    const again = [...base, `${text},${label},${dated(20)},x`]
    const repeated = await train(await file('again.csv', again), '--near-duplicates', 'ignore')
    expect(repeated.report.split).toMatchObject({ trainRows: 33, testRows: 7 })
  })

  it('leaves labels out of the test that only the latest rows have', async () => {
    const lines = rows.map(({ text, label, day }) =>
      [text, day > 18 ? 'new' : label, dated(day)].join(','),
    )
    const result = await train(await file('late.csv', ['text,label,when', ...lines]))
    expect(result.report.split).toMatchObject({ trainRows: 32, testRows: 4 })
    expect(result.report.labels).toEqual(['blue', 'red'])
    expect(result.report.split.periods.test).toEqual({ from: '2026-01-17', to: '2026-01-18' })
    expect(result.stderr).toContain(
      '4 rows are left out of the test: no row before the cut has their labels ("new")',
    )
    const all = rows.map(({ text, label, day }) =>
      [text, day > 16 ? 'new' : label, dated(day)].join(','),
    )
    const none = await train(await file('all.csv', ['text,label,when', ...all]))
    expect(none.code).not.toBe(0)
    expect(none.stderr).toContain('every row from the cut on has a label that no earlier row has')
    const one = rows.map(({ text, day }) => [text, day > 18 ? 'new' : 'old', dated(day)].join(','))
    const single = await train(await file('single.csv', ['text,label,when', ...one]))
    expect(single.stderr).toContain('all rows before the cut have the label "old"')
  })

  it('leaves rows of several labels out where one of them is late', async () => {
    const lines = rows.map(({ text, label, day }) =>
      [text, day > 18 ? `${label};new` : label, dated(day)].join(','),
    )
    const data = await file('several.csv', ['text,label,when', ...lines])
    const { report } = await train(data, '--label-separator', ';', '--method', 'softmax')
    expect(report.labels).toEqual(['blue', 'red'])
    expect(report.split).toMatchObject({ trainRows: 32, testRows: 4 })
  })

  it('holds nothing out where no share is asked for', async () => {
    const { report } = await train(await written('none.csv', dated), '--test-fraction', '0')
    expect(report.split).toMatchObject({ kind: 'none', trainRows: 40, testRows: 0 })
  })
})
