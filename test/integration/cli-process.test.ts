import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readNpy } from '../../shared/dataset/arrays/npy-file.ts'
import { bundledCli } from '../cli-bundle.ts'
import { finish } from './finish-process.ts'

const bundle = bundledCli()
const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
let folder: string
let artifact: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-process-'))
  artifact = join(folder, 'tiny')
  const run = await finish(
    start(['export', checkpoint, '--output', artifact, '--precision', 'float32', '--quiet']),
  )
  expect(run.stderr).toBe('')
  expect(run.code).toBe(0)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** The real command line in a process of its own; no setting of this machine reaches it. */
function start(
  argv: readonly string[],
  env: Record<string, string> = {},
  script = bundle.script,
): ChildProcessWithoutNullStreams {
  const settings = {
    PATH: process.env.PATH,
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_ENCODER: artifact,
    ESPALIER_PRECISION: 'float32',
    ESPALIER_WORKERS: '1',
    ESPALIER_LOG_LEVEL: 'error',
    ...env,
  }
  return spawn(process.execPath, [script, ...argv], { env: settings })
}

describe('espalier as a process', () => {
  it('embeds stdin, also when it is reached through a link', async () => {
    const link = join(folder, 'espalier')
    await symlink(bundle.script, link)
    const child = start(['embed', '-', '--format', 'jsonl', '--keep', 'id', '-q'], {}, link)
    child.stdin.end('{"id":"a","text":"one"}\n{"id":"b","text":"two words"}\n')
    const { code, stdout, stderr } = await finish(child)
    expect([code, stderr]).toEqual([0, ''])
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ index, id, text }) => [index, id, text])).toEqual([
      [0, 'a', 'one'],
      [1, 'b', 'two words'],
    ])
  })

  it('makes the vectors of the reference library', async () => {
    const expected = JSON.parse(await readFile(join(checkpoint, 'expected.json'), 'utf8'))
    const { items } = expected as { items: { text: string; vector: number[] }[] }
    const output = join(folder, 'expected.npy')
    const child = start(['embed', '-', '--format', 'jsonl', '--output', output, '-q'])
    child.stdin.end(items.map(({ text }) => JSON.stringify({ text })).join('\n'))
    expect(await finish(child)).toMatchObject({ code: 0, stdout: '', stderr: '' })
    const { rows, dimension, data } = await readNpy(output)
    expect(rows).toBe(items.length)
    for (const [i, { vector }] of items.entries()) {
      const ours = data.subarray(i * dimension, (i + 1) * dimension)
      const dot = vector.reduce((sum, x, j) => sum + x * ours[j]!, 0)
      expect(dot / (Math.hypot(...vector) * Math.hypot(...ours))).toBeGreaterThan(0.99999)
    }
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends %s with %i and leaves nothing behind', async (signal, code) => {
    const output = join(folder, 'interrupted.jsonl')
    const child = start(['embed', '-', '--format', 'txt', '--output', output])
    const finished = finish(child)
    child.stdin.on('error', () => {})
    child.stdin.write('a text\n'.repeat(5000))
    const ours = async () =>
      (await readdir(folder)).filter((name) => name.includes('interrupted')).length
    // The output has been opened: the work is under way, and waits for more on stdin.
    await expect.poll(ours, { timeout: 30_000 }).toBe(1)
    child.kill(signal)
    expect(await finished).toMatchObject({ code, stdout: '', stderr: 'espalier: interrupted\n' })
    expect(await ours()).toBe(0)
  })

  it('is quiet when its reader has enough', async () => {
    const child = start(['embed', '-', '--format', 'txt', '-q'])
    child.stdin.on('error', () => {})
    child.stdin.end('a text\n'.repeat(20_000))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const { code, stderr } = await finish(child)
    expect([code, stderr]).toEqual([0, ''])
  })

  it('serves until it is told to stop', async () => {
    const child = start(['serve', '--port', '0', '-q'])
    const finished = finish(child)
    const [line] = await once(child.stdout, 'data')
    const url = /http:\S+/.exec(String(line))?.[0]
    const response = await fetch(`${url}/embed`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"inputs": "one"}',
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toHaveLength(1)
    child.kill('SIGTERM')
    expect(await finished).toMatchObject({ code: 0, stderr: '' })
  })

  it('answers every request it has accepted when it is told to stop under full load', async () => {
    const child = start(['serve', '--port', '0', '-q'])
    const finished = finish(child)
    const [line] = await once(child.stdout, 'data')
    const url = /http:\S+/.exec(String(line))?.[0]
    const texts = (request: number) =>
      Array.from({ length: 300 }, (_, i) => `${request} ${i} ${'word '.repeat(40)}`)
    const answers = Array.from({ length: 24 }, async (_, request) => {
      const response = await fetch(`${url}/embed`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ inputs: texts(request) }),
      })
      return [response.status, ((await response.json()) as unknown[]).length]
    })
    const inFlight = async () =>
      Number(/in_flight (\d+)/.exec(await (await fetch(`${url}/metrics`)).text())?.[1])
    // This question is one of them; a fast machine may have answered some before it is asked.
    await expect.poll(inFlight, { timeout: 30_000, interval: 5 }).toBeGreaterThan(12)
    child.kill('SIGTERM')
    for (const answer of await Promise.all(answers)) expect(answer).toEqual([200, 300])
    expect(await finished).toMatchObject({ code: 0, stderr: '' })
  })

  it('stops at a wrong setting with one line', async () => {
    expect(await finish(start(['models'], { PORT: 'http' }))).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'espalier: PORT is "http"; it must be a whole number from 0 to 65535\n',
    })
  })
})
