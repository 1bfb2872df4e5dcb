import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundledCli } from '../cli-bundle.ts'
import { asNobody } from '../fakes/nobody.ts'
import { finish } from './finish-process.ts'

const bundle = bundledCli()
const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-waiting-'))
  await chmod(folder, 0o755)
  const encoder = join(folder, 'tiny')
  const argv = ['export', checkpoint, '--output', encoder, '--precision', 'float32', '-q']
  expect(await finish(spawn(process.execPath, [bundle.script, ...argv]))).toMatchObject({ code: 0 })
  await chmod(encoder, 0o755)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

function settings(more: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_REGISTRY: `file:${join(folder, 'registry')}`,
    ESPALIER_ENCODER: join(folder, 'tiny'),
    ESPALIER_PRECISION: 'float32',
    ESPALIER_WORKERS: '1',
    ESPALIER_LOG_LEVEL: 'error',
    ...more,
  }
}

describe('a job waits for the engine, whatever a server would refuse', () => {
  const ROWS = 5_000
  /** A server with these would refuse all but the first texts. */
  const tiny = {
    ESPALIER_MAX_QUEUE_TOKENS: '1',
    ESPALIER_QUEUE_TIMEOUT_MS: '1',
    ESPALIER_MAX_HELD_BYTES: '1024',
  }
  const job = (...argv: string[]): ChildProcess =>
    spawn(process.execPath, [bundle.script, ...argv, '-q'], { env: settings(tiny) })

  beforeAll(async () => {
    const lines = Array.from(
      { length: ROWS },
      (_, i) => `row ${i} ${'word '.repeat(i % 20)},${i % 2}`,
    )
    await writeFile(join(folder, 'rows.csv'), `text,label\n${lines.join('\n')}\n`)
  })

  it('embed', async () => {
    const output = join(folder, 'rows.jsonl')
    const run = await finish(job('embed', join(folder, 'rows.csv'), '--output', output))
    expect([run.code, run.stderr]).toEqual([0, ''])
    expect((await readFile(output, 'utf8')).trimEnd().split('\n')).toHaveLength(ROWS)
  })

  it('train', async () => {
    const run = await finish(
      job('train', join(folder, 'rows.csv'), '--name', 'a', '--method', 'ncm'),
    )
    expect([run.code, run.stderr]).toEqual([0, ''])
    expect(run.stdout).toContain('a@v1: 2 labels')
  })

  it('bulk', async () => {
    const places = [join(folder, 'rows.csv'), '--output', join(folder, 'vectors')]
    const run = await finish(job('bulk', ...places))
    expect([run.code, run.stderr]).toEqual([0, ''])
    expect(run.stdout).toContain(`${ROWS} rows`)
  })
})

// Only Linux has a priority for each thread; a user other than root may lower it and never raise it.
it.runIf(process.platform === 'linux')(
  'works at a lower priority than its workers ask for, also where it may not be raised',
  async () => {
    const cache = join(folder, 'cache-of-nobody')
    await mkdir(cache)
    await chmod(cache, 0o777)
    const argv = [
      '-n',
      '15',
      process.execPath,
      bundle.script,
      'embed',
      '-',
      '--format',
      'txt',
      '-q',
    ]
    const child = spawn('nice', argv, { ...asNobody, env: settings({ ESPALIER_CACHE: cache }) })
    const finished = finish(child)
    child.stdin.end('a text\n')
    const { code, stdout, stderr } = await finished
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({ index: 0, text: 'a text' })
  },
)
