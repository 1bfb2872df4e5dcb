import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundledCli } from '../cli-bundle.ts'
import { finish } from './finish-process.ts'

const bundle = bundledCli()
const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
/** 2^40 steps for the tokenizer below: hours. */
const HOSTILE = `${'a'.repeat(40)}!`
const STUCK = 'does not come back from a run'

const children: ChildProcessWithoutNullStreams[] = []
let folder: string
let artifact: string
let model: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-stuck-'))
  artifact = join(folder, 'encoder')
  model = join(folder, 'model')
  cpSync(checkpoint, model, { recursive: true })
  const path = join(model, 'tokenizer.json')
  const tokenizer = JSON.parse(readFileSync(path, 'utf8'))
  const replace = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: ' ' }
  tokenizer.normalizer = { type: 'Sequence', normalizers: [tokenizer.normalizer, replace] }
  writeFileSync(path, JSON.stringify(tokenizer))
  const argv = ['export', model, '--output', artifact, '--precision', 'float32', '-q']
  const run = await finish(start([...argv, '--allow-regex']))
  expect([run.code, run.stderr]).toEqual([0, ''])
})
afterAll(async () => {
  // After a failure, a process that nothing ends would take a core from all that comes.
  for (const child of children) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

function settingsFor(env: Readonly<Record<string, string>>) {
  return {
    PATH: process.env.PATH,
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_ENCODER: artifact,
    ESPALIER_PRECISION: 'float32',
    ESPALIER_REGISTRY: 'memory:',
    ESPALIER_WORKERS: '1',
    ESPALIER_LOG_LEVEL: 'error',
    ESPALIER_SHUTDOWN_TIMEOUT_MS: '200',
    ESPALIER_RUN_TIMEOUT_MS: '1000',
    ...env,
  }
}

function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [bundle.script, ...argv], { env: settingsFor(env) })
  children.push(child)
  return child
}

/** Resolves with the log line of the first worker that is given up. */
async function firstStuck(child: ChildProcessWithoutNullStreams): Promise<string> {
  for await (const line of createInterface(child.stderr)) if (line.includes(STUCK)) return line
  throw new Error('no worker was given up')
}

function write(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const rows = (...texts: string[]) => texts.map((text) => `${JSON.stringify({ text })}\n`).join('')

describe('export as a process', () => {
  it('refuses a tokenizer that can hang, with what it hangs on', async () => {
    const run = await finish(start(['export', model, '-o', join(folder, 'refused'), '-q']))
    expect(run).toMatchObject({ code: 1, stdout: '' })
    expect(run.stderr).toContain('normalizer.normalizers[1].pattern.Regex: "(a+)+$"')
    expect(run.stderr).toContain('--allow-regex')
    expect(existsSync(join(folder, 'refused'))).toBe(false)
  })
})

describe.concurrent('a process with a worker that does not come back', () => {
  it('serve: SIGTERM ends it at its deadline, which a shell sees as 137', async () => {
    // A run that is not given up: the worker is inside it all the time.
    const env = settingsFor({ ESPALIER_RUN_TIMEOUT_MS: '3600000' })
    const script = '"$@" & echo "pid $!"; wait $!; echo "code $?"'
    const argv = [process.execPath, bundle.script, 'serve', '--port', '0', '-q']
    const shell = spawn('/bin/sh', ['-c', script, 'sh', ...argv], { env })
    const lines = createInterface(shell.stdout)[Symbol.asyncIterator]()
    const next = async (pattern: RegExp): Promise<string> => {
      for (;;) {
        const { value, done } = await lines.next()
        if (done) throw new Error('the process has ended')
        const found = pattern.exec(value)?.[1]
        if (found !== undefined) return found
      }
    }
    const pid = Number(await next(/^pid (\d+)/))
    const url = await next(/(http:\S+)/)
    const hanging = fetch(`${url}/embed`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: HOSTILE }),
    })
    const outcome = hanging.then(
      () => 'answered',
      () => 'cut off',
    )
    const busy = async () =>
      (await (await fetch(`${url}/metrics`)).text()).match(/espalier_busy_workers 1/)
    while (!(await busy())) {}
    process.kill(pid, 'SIGTERM')
    expect(await outcome).toBe('cut off')
    expect(await next(/^code (\d+)/)).toBe('137')
  })

  const harmless = Array.from({ length: 24 }, (_, i) =>
    i % 2 ? { text: `a cat on mat ${i}`, label: 'cat' } : { text: `dog ${i} ran`, label: 'dog' },
  )
  const csv = (...more: { text: string; label: string }[]) =>
    ['text,label', ...[...harmless, ...more].map((row) => `${row.text},${row.label}`), ''].join(
      '\n',
    )

  it('embed, predict and train: a signal ends them, and nothing half done is left', async () => {
    const registry = join(folder, 'registry')
    const env = { ESPALIER_REGISTRY: `file:${registry}` }
    const good = write('good.csv', csv())
    const trained = await finish(start(['train', good, '--name', 'pets', '--promote', '-q'], env))
    expect([trained.code, trained.stderr]).toEqual([0, ''])
    const hostile = write('hostile.csv', csv({ text: HOSTILE, label: 'cat' }))
    const output = join(folder, 'hostile-out.jsonl')
    const commands = [
      { argv: ['embed', hostile, '--output', output, '-q'], signal: 'SIGINT' },
      {
        argv: ['predict', 'pets', hostile, '--output', output, '-q'],
        signal: 'SIGTERM',
      },
      { argv: ['train', hostile, '--name', 'pets', '--promote', '-q'], signal: 'SIGTERM' },
    ] as const
    const ends = commands.map(async ({ argv, signal }) => {
      const child = start(argv, env)
      const ended = finish(child)
      await firstStuck(child)
      child.kill(signal)
      const { signal: by, stdout } = await ended
      return [argv[0], by, stdout]
    })
    expect(await Promise.all(ends)).toEqual(commands.map(({ argv }) => [argv[0], 'SIGKILL', '']))
    expect((await readdir(folder)).filter((name) => name.includes('hostile-out'))).toEqual([])
    expect(await readdir(join(registry, 'models', 'pets', 'versions'))).toEqual(['1.json'])
  })

  it('embed and train without a signal: the deadline of runs ends them, and names the row', async () => {
    const input = write('row.jsonl', rows('a cat', 'a dog', HOSTILE))
    const labelled = write('row.csv', csv({ text: HOSTILE, label: 'cat' }))
    const [embedded, trained] = await Promise.all([
      finish(start(['embed', input, '--output', join(folder, 'row-out.jsonl'), '-q'])),
      finish(start(['train', labelled, '--name', 'pets', '-q'])),
    ])
    expect([embedded.signal, trained.signal]).toEqual(['SIGKILL', 'SIGKILL'])
    const late = 'kept a worker past the deadline'
    expect(embedded.stderr).toMatch(new RegExp(`^espalier: \\S+row\\.jsonl line 3 ${late}`, 'm'))
    const text = `the text of 41 characters that begins "${'a'.repeat(20)}"`
    expect(trained.stderr).toContain(`espalier: ${text} ${late}`)
  })

  it('bulk: Ctrl-C ends it with what is finished, and a second run goes on', async () => {
    const input = join(folder, 'shards')
    mkdirSync(input)
    for (const name of ['a', 'b']) writeFileSync(join(input, `${name}.jsonl`), rows(name, 'cat'))
    writeFileSync(join(input, 'c.jsonl'), rows('one', HOSTILE, 'two'))
    writeFileSync(join(input, 'd.jsonl'), rows('three'))
    const output = join(folder, 'bulk')
    const argv = ['bulk', input, '--output', output, '-q']
    const first = start(argv)
    const ended = finish(first)
    await firstStuck(first)
    first.kill('SIGINT')
    expect(await ended).toMatchObject({ signal: 'SIGKILL' })
    const names = async () => (await readdir(output)).filter((name) => !name.endsWith('.tmp'))
    const kept = await names()
    expect(kept).toEqual(expect.arrayContaining(['a.jsonl', 'b.jsonl']))
    expect(kept).not.toContain('c.jsonl')
    const before = readFileSync(join(output, 'a.jsonl'))

    const second = await finish(start(argv))
    // All is there; the thread of the hostile row is not.
    expect(second.signal).toBe('SIGKILL')
    expect(second.stdout).toMatch(/1 bad row set aside/)
    expect(readFileSync(join(output, 'a.jsonl'))).toEqual(before)
    const lines = (name: string) =>
      readFileSync(join(output, name), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
    expect(lines('c.jsonl').map(({ id }) => id)).toEqual([0, 2])
    expect(lines('c.bad.jsonl')).toEqual([
      { index: 1, line: 2, reason: expect.stringContaining('past the deadline') },
    ])
    expect(lines('d.jsonl')).toHaveLength(1)

    const third = await finish(start(argv))
    expect(third).toMatchObject({ code: 0, signal: null })
  })
})
