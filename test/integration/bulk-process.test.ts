import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBulkObjects } from '../../shared/bulk/open-place.ts'
import { createRandom } from '../../shared/lib/maths/random.ts'
import { bundledCli } from '../cli-bundle.ts'
import { describeOnS3 } from '../s3-server.ts'
import { countBytes, hashResults, killWorkers, writeShards } from './bulk-process.ts'
import { finish } from './finish-process.ts'

const bundle = bundledCli()
const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
let folder: string
let artifact: string
let input: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-bulk-process-'))
  artifact = join(folder, 'tiny')
  const exported = ['export', checkpoint, '--output', artifact, '--precision', 'float32', '-q']
  expect(await finish(start(exported))).toMatchObject({ code: 0, stderr: '' })
  input = await writeShards(join(folder, 'in'), { files: 6, rows: 2_000 })
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** The real command line in a process of its own; no setting of this machine reaches it. */
function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const settings = {
    PATH: process.env.PATH,
    AWS_CONFIG_FILE: join(folder, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_ENCODER: artifact,
    ESPALIER_PRECISION: 'float32',
    ESPALIER_REGISTRY: 'memory:',
    ESPALIER_WORKERS: '1',
    ESPALIER_LOG_LEVEL: 'error',
    ...env,
  }
  return spawn(process.execPath, [bundle.script, ...argv], { env: settings })
}

const out = (name: string): string => join(folder, name)

describe('espalier bulk as a process', () => {
  it('ends with the same bytes however often it is killed', async () => {
    const run = (...argv: string[]) => start(argv)
    const folders = { whole: out('whole'), killed: out('killed') }
    await killWorkers(2, run, input, folders, createRandom(7))
    expect(await readdir(out('killed'))).toContain('part-5.bad.jsonl')
  })

  it('leaves nothing of a file on SIGTERM, and says that it may be tried again', async () => {
    const child = start(['bulk', input, '-o', out('term'), '-q'])
    const ended = finish(child)
    while ((await countBytes(out('term'))) < 100_000) await pause(1)
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 143, stderr: 'espalier: interrupted\n' })
    const names = await readdir(out('term'))
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([])
    expect(names.filter((name) => /^part-\d\.jsonl$/.test(name)).length).toBeLessThan(6)
  })
})

describeOnS3('espalier bulk on S3', (s3) => {
  async function open(url: string) {
    // The format is of no matter here: bytes are compared.
    return openBulkObjects(url, 'txt', s3.options)
  }

  /** Copies the shards to a new place. */
  async function upload(): Promise<string> {
    const url = s3.newUrl().replace(randomUUID(), 'in')
    const place = await open(url)
    const { signal } = new AbortController()
    for (const name of await readdir(input)) {
      const sink = await place.create(name, { once: true, signal })
      await sink.write(await readFile(join(input, name)))
      await sink.commit()
    }
    await place.close()
    return url
  }

  async function countResults(url: string): Promise<number> {
    const place = await open(url)
    const files = await place.list(new AbortController().signal)
    await place.close()
    return files.length
  }

  async function readResults(url: string) {
    const place = await open(url)
    const { signal } = new AbortController()
    const results: Record<string, string> = {}
    for (const file of await place.list(signal)) {
      const chunks: Uint8Array[] = []
      for await (const chunk of place.open(file).open(signal)) chunks.push(Buffer.from(chunk))
      results[file.name] = Buffer.concat(chunks).toString()
    }
    await place.close()
    return results
  }

  it('takes large results in parts, once, with a header that comes last', async () => {
    const place = await openBulkObjects(s3.newUrl(), 'txt', { ...s3.options, partBytes: 1 })
    const { signal } = new AbortController()
    const body = Buffer.alloc(12 << 20, 'abcdefg')
    const write = async (header: string) => {
      const sink = await place.create('large.npy', { once: true, signal })
      await sink.write(body)
      await sink.patch(Buffer.from(header), 0)
      const result = await sink.commit()
      await sink.discard()
      return result
    }
    expect(await write('FIRST')).toBe('created')
    expect(await write('OTHER')).toBe('exists')
    const [file] = await place.list(signal)
    const chunks: Uint8Array[] = []
    for await (const chunk of place.open(file!).open(signal)) chunks.push(Buffer.from(chunk))
    const found = Buffer.concat(chunks)
    expect(found.toString('latin1', 0, 5)).toBe('FIRST')
    expect(found.subarray(5).equals(body.subarray(5))).toBe(true)
    await place.close()
  })

  it('writes there what it writes here, over kills and by workers at once', async () => {
    expect(await finish(start(['bulk', input, '-o', out('here'), '-q']))).toMatchObject({ code: 0 })
    const here = await hashResults(out('here'))
    const url = await upload()
    const results = s3.newUrl()
    const run = () => start(['bulk', url, '-o', results, '-q'], s3.env)
    for (let kill = 0; kill < 2; kill++) {
      const child = run()
      const ended = finish(child)
      const done = await countResults(results)
      // One more result, and it is killed over the next ones.
      while (child.exitCode === null && (await countResults(results)) <= done) await pause(1)
      child.kill('SIGKILL')
      await ended
    }
    const both = await Promise.all([finish(run()), finish(run())])
    for (const end of both) expect(end).toMatchObject({ code: 0, stderr: '' })
    const there = await readResults(results)
    expect(Object.keys(there).sort()).toEqual(Object.keys(here).sort())
    for (const name of Object.keys(here)) {
      expect([name, there[name]]).toEqual([name, await readFile(join(out('here'), name), 'utf8')])
    }
  })
})
