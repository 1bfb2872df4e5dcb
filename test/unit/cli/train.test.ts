import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeHead } from '../../../shared/head/decode.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot, type FakeBootOptions } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

const intents = fileURLToPath(new URL('../../fixtures/intents.csv', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-train-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const path = (name: string): string => join(folder, name)

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(path(name), content)
  return path(name)
}

/** A registry in memory and a way to run commands on it. */
function createWorkshop(options: FakeBootOptions = {}) {
  const registry = openRegistry(openMemoryStore())
  const boot = createFakeBoot({
    encoder: { dimension: 32 },
    cacheFolder: path('cache'),
    ...options,
    registry,
  })
  return {
    registry,
    boot,
    run: (...argv: string[]) => runCommand(argv, { boot }),
    train: (...argv: string[]) =>
      runCommand(['train', ...argv, '--name', 'intent', '-q'], { boot }),
  }
}

describe('train', () => {
  it('publishes a version with head, report, metrics and lineage', async () => {
    const { registry, boot, train } = createWorkshop()
    const run = await train(intents, '--method', 'ncm', '--seed', '7')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^intent@v1: 4 labels, 48 rows, method ncm, /)
    expect(run.stdout).toContain('on 12 test rows')
    expect(run.stdout).toMatch(/\nNext: espalier promote intent@v1\n$/)
    const version = await registry.getVersion('intent', 1)
    expect(version).toMatchObject({
      kind: 'classifier',
      family: 'a'.repeat(64),
      metadata: {
        labelCount: 4,
        labels: ['account', 'delivery', 'greeting', 'refund'],
        dimension: 32,
      },
      metrics: { testRows: 12, accuracy: expect.any(Number) },
      lineage: {
        encoder: 'fake-encoder@v1',
        seed: 7,
        method: 'ncm',
        dataHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        command: `espalier train ${intents} --method ncm --seed 7 --name intent -q`,
      },
    })
    expect(version.files.map((entry) => entry.path)).toEqual([
      'head.bin',
      'answers.json',
      'report.md',
      'report.json',
      'report.html',
    ])
    const head = decodeHead(await registry.readFile(version, 'head.bin', { maxBytes: 1e6 }))
    expect(head.labels).toEqual(['account', 'delivery', 'greeting', 'refund'])
    const report = await registry.readFile(version, 'report.json', { maxBytes: 1e6 })
    expect(JSON.parse(Buffer.from(report).toString())).toMatchObject({ name: 'intent', seed: 7 })
    expect((await registry.readState('intent')).status).toBe('missing')
    expect(boot.openEncoders()).toBe(0)
  })

  it('gives the same head for the same rows and seed, with and without the cache', async () => {
    const first = createWorkshop({ cacheFolder: path('cache-a') })
    const second = createWorkshop({ cacheFolder: path('cache-b') })
    const seeds = ['--method', 'softmax', '--seed', '3']
    await first.train(intents, ...seeds)
    await first.train(intents, ...seeds)
    await second.train(intents, ...seeds)
    const hash = async ({ registry }: typeof first, number: number) =>
      (await registry.getVersion('intent', number)).files[0]?.sha256
    expect(await hash(first, 2)).toBe(await hash(first, 1))
    expect(await hash(second, 1)).toBe(await hash(first, 1))
  })

  it('writes the report, leaves the registry alone on a dry run, and prints JSON', async () => {
    const { registry, train } = createWorkshop()
    const run = await train(
      intents,
      '--method',
      'ncm',
      '--dry-run',
      '--json',
      '--report',
      path('rep'),
    )
    expect(run.code).toBe(0)
    const json = JSON.parse(run.stdout)
    expect(json).toMatchObject({ model: null, version: null, promotion: { status: 'none' } })
    expect(json.report.test.rows).toBe(12)
    expect((await readdir(path('rep'))).sort()).toEqual(['report.html', 'report.json', 'report.md'])
    expect(await readFile(join(path('rep'), 'report.html'), 'utf8')).toContain('<svg')
    expect(await registry.listModels()).toEqual([])
  })

  it('asks whether it may write before it trains, and keeps what cannot be published', async () => {
    const { registry } = createWorkshop()
    const away = new EspalierError('registry_unavailable', 'the registry does not answer')
    let embedded = 0
    const trainOn = (changes: Partial<typeof registry>) => {
      const boot = createFakeBoot({
        encoder: { dimension: 32 },
        cacheFolder: path('kept'),
        registry: { ...registry, ...changes },
      })
      const openEncoder: typeof boot.openEncoder = (options) => {
        embedded++
        return boot.openEncoder(options)
      }
      const argv = ['train', intents, '--name', 'intent', '--method', 'ncm', '-q']
      return runCommand(argv, { boot: { ...boot, openEncoder } })
    }
    const refused = await trainOn({ checkWritable: () => Promise.reject(away) })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('does not answer') })
    expect(embedded).toBe(0)
    const failed = await trainOn({ publish: () => Promise.reject(away) })
    expect(failed.code).toBe(1)
    const [, command] = /publish it by "espalier (publish [^"]+)"/.exec(failed.stderr) ?? []
    expect(command).toMatch(/^publish .*kept\/unpublished\/intent-[0-9]{14} --name intent$/)
    const { boot } = createWorkshop()
    const published = await runCommand(command!.split(' '), { boot })
    expect(published).toMatchObject({ code: 0, stdout: expect.stringContaining('intent@v1') })
    expect(published.stdout).toContain('5 files')
  })

  it('takes test rows of their own and several labels a text', async () => {
    const { registry, train } = createWorkshop()
    const rows = Array.from({ length: 24 }, (_, i) => {
      const labels = [i % 2 === 0 && 'even', i % 3 === 0 && 'third'].filter(Boolean)
      return JSON.stringify({ text: `number ${i}`, labels })
    })
    const data = await file('multi.jsonl', rows.slice(0, 18).join('\n'))
    const test = await file('multi-test.jsonl', rows.slice(18).join('\n'))
    const run = await train(data, '--test', test)
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const version = await registry.getVersion('intent', 1)
    expect(version.metadata).toMatchObject({ multiLabel: true, labels: ['even', 'third'] })
    expect(version.lineage).toMatchObject({ testHash: expect.any(String), testFraction: null })
    expect(version.metrics).toMatchObject({ testRows: 6 })

    // Two decisions a row; those that are wrong follow from the figures of each label.
    const { boot } = createWorkshop()
    const argv = ['train', data, '--test', test, '--name', 'intent', '--dry-run', '--json', '-q']
    const { report } = JSON.parse((await runCommand(argv, { boot })).stdout)
    const wrong = report.test.perClass.map(
      (each: { support: number; recall: number; precision: number | null }) => {
        const hits = each.support * each.recall
        return each.support - hits + (each.precision ? hits / each.precision - hits : 0)
      },
    )
    const last = report.test.riskCoverage.points.at(-1)
    expect(last.coverage).toBe(1)
    expect(last.risk).toBeCloseTo((wrong[0] + wrong[1]) / 12, 6)
  })

  it('counts what is odd about the data and goes on', async () => {
    const { boot } = createWorkshop()
    const odd = 'text,label\na b,X\na b,X\na b,Y\nc,x\nd,Y\n,Y\ne,Z\nf,X\ng,Y\n'
    const argv = ['train', await file('odd.csv', odd), '--name', 'odd', '--method', 'ncm']
    const { code, stderr } = await runCommand(argv, { boot })
    expect(code).toBe(0)
    for (const warning of [
      '1 row without text left out (line 7)',
      '1 row repeats an earlier text and label (line 3)',
      '1 text has different labels in different rows (line 4: "X" and "Y")',
      '1 group of labels differs only in case, space or how a number is written: "X" = "x"',
      '2 classes have a single example: "Z", "x"',
    ]) {
      expect(stderr).toContain(`warning: ${warning}`)
    }
  })
})

describe('promotion', () => {
  /** Texts whose label can be learnt from their vector, or not. */
  const good = intents

  it('makes the first version champion and says how to call it', async () => {
    const { registry, train } = createWorkshop()
    const run = await train(good, '--method', 'ncm', '--promote', '--reason', 'first')
    expect(run.stdout).toContain('promoted: intent@v1 is champion now')
    expect(run.stdout).toContain(`-d '{"model":"intent","inputs":"your text"}'`)
    expect(await registry.readState('intent')).toMatchObject({
      state: { aliases: { champion: 1 }, history: [{ reason: 'first' }] },
    })
  })

  it('keeps a champion that is clearly better, unless forced', async () => {
    const { registry, train } = createWorkshop()
    // Every text has one label in the good data and another in the bad, with the same test rows.
    const rows = Array.from({ length: 40 }, (_, i) => `word ${i}`)
    const csv = (label: (i: number) => string) =>
      `text,label\n${rows.map((text, i) => `${text},${label(i)}`).join('\n')}\n`
    const test = await file(
      'exam.csv',
      csv((i) => (i < 20 ? 'a' : 'b')),
    )
    const right = await file(
      'right.csv',
      csv((i) => (i < 20 ? 'a' : 'b')),
    )
    const wrong = await file(
      'wrong.csv',
      csv((i) => (i < 20 ? 'b' : 'a')),
    )
    const knn = ['--test', test, '--method', 'knn', '--promote'] as const
    expect((await train(right, ...knn)).code).toBe(0)
    const refused = await train(wrong, ...knn)
    expect(refused.code).toBe(1)
    expect(refused.stdout).toMatch(/^intent@v2: /)
    expect(refused.stderr).toMatch(
      /^espalier: intent@v2 is published but not promoted: it is worse than the champion intent@v1: accuracy 0\.0 % against 100\.0 % on the same 40 test rows, a difference of -100\.0 points \(95 % interval -100\.0 to -79\.7\); "espalier promote intent@v2" does it all the same\n$/,
    )
    const champion = async () => (await registry.resolve('intent')).version
    expect(await champion()).toBe(1)
    expect((await train(wrong, ...knn, '--force')).code).toBe(0)
    expect(await champion()).toBe(3)
  })

  it('is refused against a champion of another family, naming both', async () => {
    const { registry, train } = createWorkshop()
    await train(good, '--method', 'ncm', '--promote')
    const other = createFakeBoot({
      encoder: { dimension: 32, family: 'b'.repeat(64), name: 'other' },
      registry,
      cacheFolder: path('cache'),
    })
    const argv = ['train', good, '--name', 'intent', '--method', 'ncm', '-q', '--promote']
    const run = await runCommand(argv, { boot: other })
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('a'.repeat(64))
    expect(run.stderr).toContain('b'.repeat(64))
    expect((await registry.resolve('intent')).version).toBe(1)
  })
})

describe('bad input', () => {
  it.each([
    ['nothing.csv', '', [], /nothing\.csv: no rows$/],
    [
      'columns.csv',
      'a,b\n1,2\n',
      [],
      /which column is the text\? Pass --text-column, or several separated by commas; the columns are "a", "b"/,
    ],
    ['label.csv', 'text,b\n1,2\n', [], /which column is the label\? Pass --label-column/],
    [
      'asked.csv',
      'text,label\n1,2\n',
      ['--label-column', 'topic'],
      /no column "topic"; the columns are "text", "label"$/,
    ],
    [
      'one.csv',
      'text,label\na,X\nb,X\n',
      [],
      /every row has the label "X"; two classes are needed$/,
    ],
    [
      'own.csv',
      'text,label\na,X\nb,Y\nc,Z\n',
      [],
      /every row has a label of its own; is "label" really the label\?$/,
    ],
    [
      'quote.csv',
      'text,label\na,X\n"b,Y\nc,X\n',
      [],
      /line 3: the quote opened here is never closed$/,
    ],
    [
      'latin.csv',
      Buffer.from('text,label\ncaf\u00e9,X\nb,Y\n', 'latin1'),
      ['--encoding', 'utf-8'],
      /line 2.*UTF-8/,
    ],
    [
      'exam.csv',
      'text,label\na,X\nb,Y\nc,X\nd,Y\n',
      ['--test', 'TEST'],
      /"Q": no such label in the training data/,
    ],
  ])(
    '%s is refused in one line before the encoder opens',
    async (name, content, options, message) => {
      const { boot, registry, train } = createWorkshop()
      const test = await file('other.csv', 'text,label\na,Q\n')
      const argv = options.map((option) => (option === 'TEST' ? test : option))
      const run = await train(await file(name, content), ...argv)
      expect(run).toMatchObject({ code: 1, stdout: '' })
      expect(run.stderr).toMatch(/^espalier: [^\n]*\n$/)
      expect(run.stderr.trimEnd()).toMatch(message)
      expect(boot.opened).toEqual([])
      expect(await registry.listModels()).toEqual([])
    },
  )

  it.each([
    [['--name', '../x'], 'name'],
    [['--name', 'x', '--folds', '1'], '--folds'],
    [['--name', 'x', '--test-fraction', '1'], '--test-fraction'],
    [['--name', 'x', '--method', 'magic'], '--method'],
    [['--name', 'x', '--force'], '--force is of use with --promote only'],
    [['--name', 'x', '--dry-run', '--promote'], '--dry-run publishes nothing'],
    [[], "required option '--name <name>' not specified"],
  ])('train DATA %j is wrong usage', async (argv, message) => {
    const { run } = createWorkshop()
    const result = await run('train', intents, ...argv)
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr).toContain(message)
  })

  it('names the encoder that a classifier cannot be called after', async () => {
    const { run } = createWorkshop()
    const result = await run('train', intents, '--name', 'fake-encoder', '-q')
    expect(result.code).toBe(1)
    expect(result.stderr).toContain('fake-encoder@v1 is the encoder itself')
  })
})

describe('interruption', () => {
  it.each([1, 2, 3, 5, 8, 12])('after %i steps leaves no version', async (steps) => {
    const { boot, registry } = createWorkshop({ cacheFolder: path(`cache-${steps}`) })
    const abort = new AbortController()
    let left = steps
    const stop = (): void => {
      if (--left === 0) abort.abort('SIGINT')
    }
    const kernels = await boot.openKernels()
    const counting = {
      ...boot,
      openKernels: async () => ({
        ...kernels,
        multiply: (...given: Parameters<typeof kernels.multiply>) => {
          stop()
          return kernels.multiply(...given)
        },
      }),
    }
    const argv = ['train', intents, '--name', 'intent', '--method', 'auto', '-q', '--promote']
    const run = await runCommand(argv, { boot: counting, signal: abort.signal })
    expect(run).toEqual({ code: 130, stdout: '', stderr: 'espalier: interrupted\n' })
    expect(await registry.listModels()).toEqual([])
    expect(boot.openEncoders()).toBe(0)
  })
})
