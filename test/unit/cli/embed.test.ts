import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readNpy } from '../../../shared/dataset/arrays/npy-file.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { createFakeEncoder } from '../../fakes/fake-encoder.ts'
import { runCommand } from './run.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-cli-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
afterEach(async () => {
  const names = await readdir(folder)
  expect(names.filter((name) => name.includes('.tmp'))).toEqual([])
})

const path = (name: string): string => join(folder, name)

async function file(name: string, content: string): Promise<string> {
  await writeFile(path(name), content)
  return path(name)
}

const encode = async (texts: string[], prompt?: string) => {
  const options = { truncate: true, truncationDirection: 'right', normalize: true, prompt } as const
  return (await createFakeEncoder().encode(texts, options)).vectors
}

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('output', () => {
  it('is JSON lines on stdout, in order, with index, text and kept columns', async () => {
    const boot = createFakeBoot()
    const csv = await file('a.csv', 'id,text\n7,one\n8,"two, too"\n9,three\n')
    const run = await runCommand(['embed', csv, '--keep', 'id', '--batch', '2'], { boot })
    expect(run.code).toBe(0)
    const vectors = await encode(['one', 'two, too', 'three'])
    expect(lines(run.stdout)).toEqual(
      ['one', 'two, too', 'three'].map((text, i) => ({
        index: i,
        text,
        id: String(7 + i),
        embedding: [...vectors.subarray(i * 8, i * 8 + 8)].map((x) => Number(x.toPrecision(9))),
      })),
    )
    expect(run.stderr).toMatch(
      /^3 texts embedded in [\d.]+ s \(10 tokens\): fake-encoder@v1, float32, 8 dimensions\n$/,
    )
    expect(boot.openEncoders()).toBe(0)
  })

  it('comes from stdin without the text where asked, and quietly', async () => {
    const run = await runCommand(['embed', '-', '--format', 'txt', '--no-text', '-q'], {
      boot: createFakeBoot(),
      stdin: 'one\ntwo\n',
    })
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(lines(run.stdout).map((line) => Object.keys(line))).toEqual([
      ['index', 'embedding'],
      ['index', 'embedding'],
    ])
  })

  it('is a .npy file by its name or by --to', async () => {
    const texts = Array.from({ length: 1300 }, (_, i) => `text number ${i}`)
    const txt = await file('b.txt', `${texts.join('\n')}\n`)
    for (const options of [['b.npy'], ['b.bin', '--to', 'npy']]) {
      const argv = ['embed', txt, '-q', '--output', path(options[0]!), ...options.slice(1)]
      expect(await runCommand(argv, { boot: createFakeBoot() })).toEqual({
        code: 0,
        stdout: '',
        stderr: '',
      })
      const array = await readNpy(path(options[0]!))
      expect([array.rows, array.dimension]).toEqual([1300, 8])
      expect(array.data).toEqual(await encode(texts))
    }
  })

  it('follows prompt, truncation and model options', async () => {
    const boot = createFakeBoot({ encoder: { prompts: { query: 'query: ' }, maxTokens: 4 } })
    const argv = [
      'embed',
      '-',
      '--format',
      'txt',
      '--prompt',
      'query',
      '--model',
      'm',
      '--precision',
      'float32',
    ]
    const run = await runCommand(argv, { boot, stdin: 'one two three\n' })
    expect(boot.opened[0]).toMatchObject({ model: 'm', precision: 'float32' })
    expect(run.stderr).toContain('(4 tokens, 1 cut at 4 tokens)')
    const wrong = await runCommand([...argv, '--prompt', 'no'], { boot, stdin: 'x' })
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toBe('espalier: there is no prompt "no"; fake-encoder has these: query\n')
    expect(boot.openEncoders()).toBe(0)
  })
})

describe('bad input', () => {
  it.each([
    ['empty.csv', '', [], 'no rows to embed'],
    [
      'cols.csv',
      'a,b\n1,2\n',
      [],
      'which column is the text? Pass --text-column, or several separated by commas; the columns are "a", "b"',
    ],
    [
      'none.csv',
      'text,b\n1,2\n',
      ['--keep', 'id'],
      'no column "id" to keep; the columns are text, b',
    ],
    ['blank.csv', 'text,b\nx,2\n,3\n', [], 'line 3: the text ("text") is empty'],
    ['quote.csv', 'text\nx\n"y\n', [], 'line 3: the quote opened here is never closed'],
    ['data.xyz', 'text\nx\n', [], 'the name does not say the format'],
    ['long.txt', 'a\nb c d\n', ['--no-truncate'], 'line 2 has 5 tokens; the limit is 4'],
  ])('%s leaves no output behind', async (name, content, options, message) => {
    const boot = createFakeBoot({ encoder: { maxTokens: 4 } })
    const output = path(`${name}.jsonl`)
    const argv = ['embed', await file(name, content), '--output', output, ...options]
    const run = await runCommand(argv, { boot })
    expect(run.code).toBe(name === 'data.xyz' ? 2 : 1)
    expect(run.stderr).toMatch(/^espalier: .*\n$/)
    expect(run.stderr).toContain(`${name}`)
    expect(run.stderr).toContain(message)
    await expect(readFile(output)).rejects.toThrow('ENOENT')
    expect(boot.openEncoders()).toBe(0)
  })

  it('is found before the encoder is opened, even in the last row', async () => {
    const boot = createFakeBoot()
    const csv = await file('late.csv', `text\n${'x\n'.repeat(5000)}"\n`)
    expect((await runCommand(['embed', csv], { boot })).stdout).toBe('')
    expect(boot.opened).toEqual([])
    const good = await file('good.csv', 'text\nx\n')
    const run = await runCommand(['embed', good, '-o', path('no/out.npy')], { boot })
    expect(run.stderr).toMatch(/^espalier: .*out\.npy: its folder does not exist\n$/)
    expect(boot.opened).toEqual([])
  })

  it('leaves an older output as it was', async () => {
    await file('old.jsonl', 'old')
    const argv = ['embed', '-', '--format', 'txt', '--output', path('old.jsonl')]
    const run = await runCommand(argv, { boot: createFakeBoot(), stdin: 'a\n\nb\n' })
    expect(run.code).toBe(1)
    expect(await readFile(path('old.jsonl'), 'utf8')).toBe('old')
  })

  it('may be left out', async () => {
    const argv = ['embed', '-', '--format', 'txt', '--skip-empty']
    const run = await runCommand(argv, { boot: createFakeBoot(), stdin: 'a\n\nb\n' })
    expect(lines(run.stdout).map(({ index, text }) => [index, text])).toEqual([
      [0, 'a'],
      [2, 'b'],
    ])
  })
})

describe('interruption', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('by %s ends the work, closes the encoder and leaves no file', async (reason, code) => {
    const abort = new AbortController()
    const boot = createFakeBoot({ encoder: { gate: async () => abort.abort(reason) } })
    const txt = await file('c.txt', 'a\nb\n')
    const argv = ['embed', txt, '--output', path('c.jsonl')]
    const run = await runCommand(argv, { boot, signal: abort.signal })
    expect(run).toEqual({ code, stdout: '', stderr: 'espalier: interrupted\n' })
    expect(boot.openEncoders()).toBe(0)
    await expect(readFile(path('c.jsonl'))).rejects.toThrow('ENOENT')
  })

  it('ends a wait for stdin', async () => {
    const abort = new AbortController()
    const running = runCommand(['embed', '-', '--format', 'txt'], {
      boot: createFakeBoot(),
      stdin: new PassThrough(),
      signal: abort.signal,
    })
    setImmediate(() => abort.abort('SIGINT'))
    expect(await running).toMatchObject({ code: 130 })
  })

  it('by a reader that has enough is quiet', async () => {
    const boot = createFakeBoot()
    const stdout = new Writable({
      write: (_chunk, _encoding, done) =>
        done(Object.assign(new Error('EPIPE'), { code: 'EPIPE' })),
    })
    const txt = await file('d.txt', 'a\n'.repeat(5000))
    expect(await runCommand(['embed', txt], { boot, stdout })).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(boot.openEncoders()).toBe(0)
  })
})

it('says so where stdout cannot be written', async () => {
  const stdout = new Writable({
    write: (_chunk, _encoding, done) => done(new Error('ENOSPC: no space left on device, write')),
  })
  const boot = createFakeBoot()
  const run = await runCommand(['embed', await file('g.txt', 'a\n'), '-q'], { boot, stdout })
  expect(run.code).toBe(1)
  expect(run.stderr).toBe(
    'espalier: stdout cannot be written: Error: ENOSPC: no space left on device, write\n',
  )
})

describe('progress', () => {
  it('is a line every few seconds where stderr is no terminal', async () => {
    let ms = 0
    const clock = {
      wallMs: () => ms,
      monotonicMs: () => {
        ms += 3000
        return ms
      },
    }
    const txt = await file('e.txt', 'a\n'.repeat(40))
    const argv = ['embed', txt, '--batch', '10']
    const { stderr } = await runCommand(argv, { boot: createFakeBoot(), clock })
    expect(stderr.split('\n').slice(0, -2)).toEqual([
      'embedding: 10 of 40 (25%)',
      'embedding: 30 of 40 (75%)',
    ])
  })

  it('is a bar on a terminal', async () => {
    const txt = await file('f.txt', 'a\n'.repeat(40))
    const { stderr } = await runCommand(['embed', txt], { boot: createFakeBoot(), terminal: true })
    expect(stderr).toContain('embedding [')
    expect(stderr).toContain('40/40')
    expect(stderr).not.toMatch(/(INF|NULL|NFs|LLs)/)
    expect(stderr).toMatch(/40 texts embedded in .*\n$/)
  })
})
