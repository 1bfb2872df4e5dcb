import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readNpy } from '../../../shared/dataset/arrays/npy-file.ts'
import { createFakeBoot, type FakeBootOptions } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

const intents = fileURLToPath(new URL('../../fixtures/intents.csv', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-bulk-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const path = (...names: string[]): string => join(folder, ...names)

/** A folder with these files. */
async function place(name: string, files: Readonly<Record<string, string | Buffer>>) {
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path(name, file, '..'), { recursive: true })
    await writeFile(path(name, file), content)
  }
  return path(name)
}

const jsonl = (rows: readonly unknown[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('')
const texts = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `r${from + i}`, text: `text ${from + i}` }))

async function readLines(...names: string[]): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(path(...names), 'utf8')).trim().split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

function createBulk(options: FakeBootOptions = {}) {
  const boot = createFakeBoot({ encoder: { dimension: 4 }, ...options })
  return { boot, bulk: (...argv: string[]) => runCommand(['bulk', ...argv], { boot }) }
}

describe('bulk', () => {
  it('writes a result for each file, and does nothing twice', async () => {
    const input = await place('in1', {
      'a.jsonl': jsonl(texts(0, 700)),
      'deep/b.csv': 'text,id\n"one, two",x\nthree,y\n',
      'c.txt': 'plain\nwords\n',
      _SUCCESS: '',
      'notes.md': 'no rows',
    })
    const { boot, bulk } = createBulk()
    const run = await bulk(input, '--output', path('out1'), '-q')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^3 files done: 704 rows \(\d+ tokens\) in /)
    expect(await readdir(path('out1'))).toEqual(['_job.json', 'a.jsonl', 'c.jsonl', 'deep'])
    const lines = await readLines('out1', 'a.jsonl')
    expect(lines.map(({ id }) => id)).toEqual(texts(0, 700).map(({ id }) => id))
    expect(lines[0]!.embedding).toHaveLength(4)
    expect((await readLines('out1', 'deep', 'b.jsonl')).map(({ id }) => id)).toEqual(['x', 'y'])
    expect((await readLines('out1', 'c.jsonl')).map(({ id }) => id)).toEqual([0, 1])
    const opened = boot.opened.length
    const again = await bulk(input, '--output', path('out1'), '-q')
    expect(again.stdout).toMatch(/^0 files done, 3 there already: 0 rows/)
    // Nothing is left to do, so no encoder is opened.
    expect([boot.opened.length, boot.openEncoders()]).toEqual([opened, 0])
  })

  it('writes vectors as .npy with their ids beside', async () => {
    const input = await place('in2', { 'a.jsonl': jsonl(texts(0, 600)) })
    const { bulk } = createBulk()
    expect(await bulk(input, '-o', path('out2'), '--to', 'npy', '-q')).toMatchObject({ code: 0 })
    await bulk(input, '-o', path('out2j'), '-q')
    const array = await readNpy(path('out2', 'a.npy'))
    expect([array.rows, array.dimension]).toEqual([600, 4])
    const lines = await readLines('out2j', 'a.jsonl')
    const flat = Float32Array.from(lines.flatMap(({ embedding }) => embedding as number[]))
    expect(array.data).toEqual(flat)
    const ids = (await readFile(path('out2', 'a.ids.jsonl'), 'utf8')).trim().split('\n')
    expect(ids.map((line) => JSON.parse(line))).toEqual(lines.map(({ id }) => id))
  })

  it('sets bad rows aside with line and reason', async () => {
    const long = 'x'.repeat(300)
    const bytes = Buffer.from('{"id":1,"text":"good"}\n{"id":2,"text":"\xff"}\n', 'latin1')
    const rest = [
      'no json',
      '',
      '["list"]',
      '{"id":4}',
      '{"id":5,"text":7}',
      '{"id":6,"text":" "}',
      '{"id":[],"text":"x"}',
      `{"id":8,"text":"${long}"}`,
      '{"id":9,"text":"\\ud800"}',
      '{"id":10,"text":"last"}',
    ].join('\n')
    const input = await place('in3', {
      'a.jsonl': Buffer.concat([bytes, Buffer.from(rest)]),
      'b.csv': `text,id\none,1\ntwo\n${long},3\nfour,4\n`,
    })
    const { bulk } = createBulk({ env: { ESPALIER_MAX_TEXT_BYTES: '200' } })
    const run = await bulk(input, '-o', path('out3'), '-q')
    expect(run.stdout).toContain('2 files done: 4 rows')
    expect(run.stdout).toContain('11 bad rows set aside')
    expect((await readLines('out3', 'a.jsonl')).map(({ id }) => id)).toEqual([1, 10])
    expect(await readLines('out3', 'a.bad.jsonl')).toEqual([
      { index: 1, line: 2, reason: 'the line is not UTF-8' },
      { index: 2, line: 3, reason: 'not JSON' },
      { index: 3, line: 5, reason: 'not a JSON object; write one object a line, without [ ]' },
      { index: 4, line: 6, reason: 'there is no "text"' },
      { index: 5, line: 7, reason: 'the text ("text") is of type number, not a string' },
      { index: 6, line: 8, reason: 'the text is empty' },
      { index: 7, line: 9, reason: 'the id ("id") is neither a string nor a number' },
      { index: 8, line: 10, reason: 'the field "text" is longer than 200 bytes' },
      { index: 9, line: 11, reason: '"text" has half of a surrogate pair (\\ud800…\\udfff)' },
    ])
    expect((await readLines('out3', 'b.jsonl')).map(({ id }) => id)).toEqual(['1', '4'])
    expect((await readLines('out3', 'b.bad.jsonl')).map(({ line }) => line)).toEqual([3, 4])
  })

  it('deals files to shares, and the rows of a single file', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 5 }, (_, i) => [`p${i}.jsonl`, jsonl(texts(i * 10, 10))]),
    )
    const input = await place('in4', files)
    const { bulk } = createBulk()
    for (const index of [0, 1, 2]) {
      const share = ['--shard', `${index}/3`, '-q']
      expect((await bulk(input, '-o', path('out4'), ...share)).code).toBe(0)
      const done = (await readdir(path('out4'))).filter((name) => name.startsWith('p'))
      expect(done).toHaveLength([2, 4, 5][index]!)
    }
    const rows = texts(0, 5_000)
    const one = await place('in4b', { 'big.jsonl': jsonl(rows) })
    for (const index of ['0', '1', '2']) {
      const env = { AWS_BATCH_JOB_ARRAY_INDEX: index, AWS_BATCH_JOB_ARRAY_SIZE: '3' }
      const child = createBulk({ env })
      expect((await child.bulk(one, '-o', path('out4b'), '-q')).code).toBe(0)
    }
    const parts = (await readdir(path('out4b'))).filter((name) => name.startsWith('big'))
    expect(parts).toEqual([0, 1, 2].map((i) => `big.${i}-of-3.jsonl`))
    const found = (await Promise.all(parts.map((part) => readLines('out4b', part)))).flat()
    const order = found.map(({ id }) => id as string).sort()
    expect(order).toEqual(rows.map(({ id }) => id).sort())
  })

  it('classifies, all shares by the version that the first one took', async () => {
    const { boot, bulk } = createBulk({ encoder: { dimension: 32 }, cacheFolder: path('cache') })
    const train = ['train', intents, '--name', 'intent', '--method', 'ncm', '--promote', '-q']
    expect((await runCommand(train, { boot })).code).toBe(0)
    const input = await place('in5', {
      'a.jsonl': jsonl(texts(0, 3)),
      'b.jsonl': jsonl(texts(3, 3)),
    })
    const argv = [input, '-o', path('out5'), '--classifier', 'intent', '--top-k', '2', '-q']
    expect((await bulk(...argv, '--shard', '0/2')).code).toBe(0)
    expect((await runCommand([...train, '--seed', '9', '--force'], { boot })).code).toBe(0)
    expect((await bulk(...argv, '--shard', '1/2')).code).toBe(0)
    const lines = [...(await readLines('out5', 'a.jsonl')), ...(await readLines('out5', 'b.jsonl'))]
    expect(lines.map(({ id, model }) => [id, model])).toEqual(
      texts(0, 6).map(({ id }) => [id, 'intent@v1']),
    )
    expect(lines[0]!.labels).toHaveLength(2)
    const other = await bulk(input, '-o', path('out5'), '--classifier', 'intent@v2', '-q')
    // All results are there: nothing is computed, so nothing can differ.
    expect(other.code).toBe(0)
    await rm(path('out5', 'a.jsonl'))
    const mixed = await bulk(input, '-o', path('out5'), '--classifier', 'intent@v2', '-q')
    expect(mixed).toMatchObject({ code: 2 })
    expect(mixed.stderr).toContain('was begun with model intent@v1, not intent@v2')
    expect(await readdir(path('out5'))).not.toContain('a.jsonl')
  })

  it('does the other files where one cannot be read', async () => {
    const input = await place('in6', {
      'a.csv': 'text\nfine\n',
      'b.csv': 'text\n"never closed\n',
      'c.csv': 'title,x\nno text column,x\n',
      'd.jsonl': '{"words":"x"}\n{"words":"y"}\n',
    })
    const { bulk } = createBulk()
    const run = await bulk(input, '-o', path('out6'))
    expect(run.code).toBe(1)
    expect(run.stdout).toContain('1 file done')
    expect(run.stderr).toContain('b.csv line 2: the quote opened here is never closed')
    expect(run.stderr).toContain('d.jsonl line 1: there is no column of texts')
    expect(run.stderr).toContain('espalier: 3 of 4 files cannot be read')
    expect(await readdir(path('out6'))).toEqual(['_job.json', 'a.jsonl'])
  })

  it.skipIf(!existsSync('/dev/full'))(
    'says that the disk is full, and leaves nothing',
    async () => {
      const input = await place('in7', { 'a.jsonl': 'no json\n{"text":"x"}\n' })
      await mkdir(path('out7'))
      await symlink('/dev/full', path('out7', 'a.bad.jsonl'))
      const { bulk } = createBulk()
      const run = await bulk(input, '-o', path('out7'), '-q')
      expect(run).toMatchObject({ code: 1 })
      expect(run.stderr).toMatch(/a\.bad\.jsonl: the disk is full\n$/)
      expect(await readdir(path('out7'))).toEqual(['_job.json', 'a.bad.jsonl'])
    },
  )

  it('ends with the retry code where it is interrupted, and leaves nothing', async () => {
    const input = await place('in8', { 'a.jsonl': jsonl(texts(0, 8_000)) })
    const stop = new AbortController()
    const boot = createFakeBoot({ encoder: { dimension: 4 } })
    const stopped: typeof boot = {
      ...boot,
      async openEncoder(options) {
        const encoder = await boot.openEncoder(options)
        let calls = 0
        return {
          ...encoder,
          async encode(...given) {
            if (++calls === 3) stop.abort('SIGTERM')
            return encoder.encode(...given)
          },
        }
      },
    }
    const argv = ['bulk', input, '-o', path('out8'), '-q']
    const run = await runCommand(argv, { boot: stopped, signal: stop.signal })
    expect(run).toMatchObject({ code: 143, stderr: 'espalier: interrupted\n' })
    expect(await readdir(path('out8'))).toEqual(['_job.json'])
    expect(boot.openEncoders()).toBe(0)
  })

  it.each([
    [['absent', '-o', 'out'], 1, 'absent: no such file or folder'],
    [['{empty}', '-o', 'out'], 1, 'no file of rows (.csv, .tsv'],
    [['{in}', '-o', '{in}'], 2, 'results must not lie among the files that are read'],
    [['{in}', '-o', '{in}/out'], 2, 'results must not lie among the files that are read'],
    [['s3://b/in', '-o', 's3://b/in/out'], 2, 'results must not lie among the files'],
    [['s3://B!/in', '-o', 'out'], 2, 's3://B!/in: "B!" is not a bucket name'],
    [['{twice}', '-o', 'out'], 2, '"a.csv" and "a.jsonl" differ in their extension only'],
    [['{in}', '-o', 'out', '--shard', '3/3'], 2, 'It must be i/n'],
    [['{in}', '-o', 'out', '--classifier', 'x', '--to', 'npy'], 2, '--to npy is for vectors'],
    [['{in}', '-o', '{file}'], 1, 'a part of its path is a file'],
  ])('refuses %j', async (argv, code, message) => {
    const places: Record<string, string> = {
      '{in}': await place('in9', { 'a.jsonl': jsonl(texts(0, 1)) }),
      '{in}/out': path('in9', 'out'),
      '{empty}': await place('in9e', { 'readme.md': '' }),
      '{twice}': await place('in9t', { 'a.csv': 'text\nx\n', 'a.jsonl': jsonl(texts(0, 1)) }),
      '{file}': join(await place('in9f', { f: '' }), 'f', 'x'),
    }
    const { bulk } = createBulk()
    const real = argv.map((word) => places[word] ?? (word === 'out' ? path('out9') : word))
    const run = await bulk(...real, '-q')
    expect(run.stderr).toContain(message)
    expect(run.code).toBe(code)
  })

  it('wants the size of an array job beside the index', async () => {
    const { bulk } = createBulk({ env: { AWS_BATCH_JOB_ARRAY_INDEX: '3' } })
    const run = await bulk('in', '-o', path('out10'))
    expect(run).toMatchObject({ code: 2 })
    expect(run.stderr).toContain('AWS_BATCH_JOB_ARRAY_SIZE is not; pass --shard i/n')
  })
})
