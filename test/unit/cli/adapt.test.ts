import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeNpyHeader } from '../../../shared/dataset/arrays/npy.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { readGolden } from '../training/adapt-golden.ts'
import { runCommand } from './run.ts'

const intents = fileURLToPath(new URL('../../fixtures/intents.csv', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-adapt-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const path = (name: string): string => join(folder, name)

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(path(name), content)
  return path(name)
}

function createWorkshop() {
  const registry = openRegistry(openMemoryStore())
  const boot = createFakeBoot({ encoder: { dimension: 32 }, cacheFolder: path('cache'), registry })
  return {
    registry,
    boot,
    adapt: (...argv: string[]) => runCommand(['adapt', ...argv, '-q'], { boot }),
  }
}

/** Rows of the reference case as .npy files: features of both domains, labels of both. */
async function writeFeatures() {
  const golden = readGolden().align[0]!
  const { columns, rowsSource, rowsTarget } = golden
  const numbers = (name: string, rows: number, data: readonly number[]) => {
    const bytes = new Uint8Array(Float32Array.from(data).buffer)
    return file(name, Buffer.concat([encodeNpyHeader(rows, columns), bytes]))
  }
  const texts = (name: string, labels: readonly number[]) => {
    const header = encodeNpyHeader(1, 1).toString('latin1')
    const shape = header.replace("'<f4'", "'<U3'").replace('(1, 1)', `(${labels.length},)`)
    const head = Buffer.from(`${shape.trimEnd().padEnd(127)}\n`, 'latin1')
    const body = Buffer.alloc(labels.length * 12)
    labels.forEach((label, i) => {
      for (const [at, letter] of [...`é${label}`].entries()) {
        body.writeUInt32LE(letter.codePointAt(0)!, i * 12 + at * 4)
      }
    })
    return file(name, Buffer.concat([head, body]))
  }
  return {
    golden,
    source: await numbers('source.npy', rowsSource, golden.source),
    target: await numbers('target.npy', rowsTarget, golden.target),
    sourceLabels: await texts('source-labels.npy', golden.sourceTargets),
    targetLabels: await texts('target-labels.npy', golden.labels),
  }
}

describe('adapt with texts', () => {
  it('asks whether it may write before it works, and keeps what cannot be published', async () => {
    const { registry } = createWorkshop()
    const away = new EspalierError('registry_unavailable', 'the registry does not answer')
    const adaptOn = async (changes: Partial<typeof registry>) => {
      const boot = createFakeBoot({
        encoder: { dimension: 32 },
        cacheFolder: path('kept'),
        registry: { ...registry, ...changes },
      })
      const argv = ['adapt', intents, intents, '--name', 'intent', '-q']
      return { run: await runCommand(argv, { boot }), opened: boot.opened.length }
    }
    const refused = await adaptOn({ checkWritable: () => Promise.reject(away) })
    expect(refused).toMatchObject({ run: { code: 1 }, opened: 0 })
    expect(refused.run.stderr).toContain('does not answer')
    const { run: failed } = await adaptOn({ publish: () => Promise.reject(away) })
    expect(failed.code).toBe(1)
    const [, command] = /publish it by "espalier (publish [^"]+)"/.exec(failed.stderr) ?? []
    expect(command).toMatch(/^publish .*kept\/unpublished\/intent-[0-9]{14} --name intent$/)
    const { boot } = createWorkshop()
    const published = await runCommand(command!.split(' '), { boot })
    expect(published).toMatchObject({ code: 0, stdout: expect.stringContaining('4 files') })
  })

  it('publishes a version whose report compares the methods on known labels', async () => {
    const { registry, adapt } = createWorkshop()
    const rows = (await readFile(intents, 'utf8')).trim().split('\n')
    const shifted = rows.map((row, i) => (i === 0 ? row : row.replace(',', ' please,')))
    const target = await file('target.csv', [...shifted, '"no label here",'].join('\n'))
    const argv = [intents, target, '--name', 'intent', '--target-labels', 'label', '--promote']
    const run = await adapt(...argv, '--predictions', path('answers.jsonl'))
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^METHOD +TARGET +95 % +SOURCE +REVERSE +AGREES +MOVED\neasytl \*/)
    expect(run.stdout).toMatch(/\nintent@v1: 4 labels, 60 rows, method easytl, /)
    expect(run.stdout).toContain('promoted: intent@v1 is champion now')
    const version = await registry.getVersion('intent', 1)
    expect(version).toMatchObject({
      family: 'a'.repeat(64),
      metadata: { method: 'easytl', detector: false },
      lineage: { method: 'easytl', trainRows: 60, targetRows: 61, ridge: 1 },
      metrics: { testRows: 60 },
    })
    const report = JSON.parse(
      Buffer.from(
        await registry.readFile(version, 'report.json', { maxBytes: 1 << 20 }),
      ).toString(),
    )
    const names = report.candidates.map(({ name }: { name: string }) => name)
    expect(names).toEqual(['easytl', 'easytl-c', 'coral', 'source'])
    expect(report.test.accuracy).toBe(report.candidates[0].parameters.targetAccuracy)
    expect(report.split).toMatchObject({ kind: 'file', source: target })
    expect(report).toMatchObject({ adapted: true, learningCurve: null })
    const page = await runCommand(['report', 'intent', '--html', '-'], {
      boot: createFakeBoot({ registry }),
    })
    expect(page.stdout).toContain('There is none: an adapted head')
    const answers = (await readFile(path('answers.jsonl'), 'utf8')).trim().split('\n')
    expect(answers).toHaveLength(61)
    expect(Object.keys(JSON.parse(answers[60]!))).toEqual(['index', 'label', 'confidence'])
  })

  it('gives the same version under the same key, another for another target', async () => {
    const { adapt } = createWorkshop()
    const target = await file('t.txt', 'where is my parcel\nmoney back\nhello\nmy password\n')
    const argv = ['--name', 'x', '--no-compare', '--idempotency-key', 'k']
    expect((await adapt(intents, target, ...argv)).stdout).toContain('x@v1')
    const again = await adapt(intents, target, ...argv)
    expect(again.stdout).toContain('published before under this key')
    const other = await file('u.txt', 'another\ntarget\n')
    expect(await adapt(intents, other, ...argv)).toMatchObject({ code: 1 })
  })

  it('does not promote what cannot be compared with a champion', async () => {
    const { adapt } = createWorkshop()
    const target = await file('v.txt', 'where is my parcel\nmoney back\nhello\n')
    const argv = [intents, target, '--name', 'x', '--no-compare', '--promote']
    expect((await adapt(...argv)).code).toBe(0)
    const second = await adapt(...argv, '--seed', '7')
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('pass --target-labels COLUMN')
    expect(second.stdout).toContain('x@v2')
  })

  it.each([
    [['{i}', '{t}'], 2, 'pass --name'],
    [['{i}', 'a.npy', '--name', 'x'], 2, 'both must be texts, or both features'],
    [['{i}', '{t}', '--name', 'x', '--export', 'h.json'], 2, '--export is for files of features'],
    [['{i}', '{t}', '--name', 'x', '--force'], 2, '--force is of use with --promote only'],
    [
      ['{i}', '{t}', '--name', 'x', '--target-labels', 'topic'],
      1,
      'no column "topic"; the columns are text',
    ],
    [['{i}', 'absent.csv', '--name', 'x'], 1, 'absent.csv: no such file'],
    [['{i}', '{one}', '--name', 'x'], 1, 'a target needs two texts at least'],
    [['{i}', '{bad}', '--name', 'x', '--target-labels', 'l'], 1, 'has no label "nonsense"'],
  ])('refuses %j', async (argv, code, message) => {
    const { adapt } = createWorkshop()
    const files: Record<string, string> = {
      '{i}': intents,
      '{t}': await file('w.txt', 'one\ntwo\n'),
      '{one}': await file('one.txt', 'one\n'),
      '{bad}': await file('bad.csv', 'text,l\na,refund\nb,nonsense\n'),
    }
    const run = await adapt(...argv.map((word) => files[word] ?? word))
    expect(run.code).toBe(code)
    expect(run.stderr).toContain(message)
  })
})

describe('adapt with features', () => {
  it('labels the target as numpy and scipy do, and writes answers and head', async () => {
    const { adapt } = createWorkshop()
    const { golden, source, target, sourceLabels, targetLabels } = await writeFeatures()
    const files = ['--predictions', path('p.jsonl'), '--export', path('head.json')]
    const labels = ['--source-labels', sourceLabels, '--target-labels', targetLabels]
    const run = await adapt(source, target, ...labels, ...files)
    expect(run).toMatchObject({ code: 0, stderr: '' })
    // The reference labels are what EasyTL answers, so that it is right throughout.
    expect(run.stdout).toMatch(/\neasytl \* +100\.0 %/)
    const answers = (await readFile(path('p.jsonl'), 'utf8')).trim().split('\n')
    expect(answers.map((line) => JSON.parse(line).label)).toEqual(
      golden.labels.map((label) => `é${label}`),
    )
    const head = JSON.parse(await readFile(path('head.json'), 'utf8'))
    const { columns } = golden
    const best = golden.labels.map((_, row) => {
      const scores = head.bias.map((bias: number, c: number) =>
        head.weights[c].reduce(
          (sum: number, weight: number, j: number) =>
            sum + weight * golden.target[row * columns + j]!,
          bias,
        ),
      )
      return head.labels[scores.indexOf(Math.max(...scores))]
    })
    expect(best).toEqual(golden.labels.map((label) => `é${label}`))
  })

  it('reads MAT files, whose labels have a name', async () => {
    const { adapt } = createWorkshop()
    const [packed, plain] = readGolden().mat
    const source = await file('s.mat', Buffer.from(packed!.base64, 'base64'))
    const target = await file('t.mat', Buffer.from(plain!.base64, 'base64'))
    const run = await adapt(source, target, '--target-labels', 'labels', '--json')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(run.stdout)).toMatchObject({ method: 'easytl', labels: ['1', '2'] })
    const wrong = await adapt(source, target, '--features', 'x')
    expect(wrong.stderr).toContain('no variable "x" (--features); the variables are fts, labels')
  })

  it('publishes nothing and says why', async () => {
    const { adapt } = createWorkshop()
    const { source, target, sourceLabels } = await writeFeatures()
    const named = await adapt(source, target, '--source-labels', sourceLabels, '--name', 'x')
    expect(named).toMatchObject({ code: 2 })
    expect(named.stderr).toContain('nothing can be published; use --export')
    expect((await adapt(source, target)).stderr).toContain('pass --source-labels FILE.npy')
    const cut = await file('cut.npy', (await readFile(target)).subarray(0, 300))
    const broken = await adapt(source, cut, '--source-labels', sourceLabels, '--export', path('n'))
    expect(broken.stderr).toMatch(/cut\.npy: 172 bytes where the header promises \d+/)
    expect(await readdir(folder)).not.toContain('n')
  })
})
