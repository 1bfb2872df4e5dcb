import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classifyResponseSchema } from '../../shared/contract/classify.ts'
import { bundledCli } from '../cli-bundle.ts'
import { FakeBucket } from '../fakes/fake-bucket.ts'
import { type FakeS3, startFakeS3 } from '../fakes/fake-s3.ts'
import { describeOnS3 } from '../s3-server.ts'
import { finish } from './finish-process.ts'

const bundle = bundledCli()
const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
const intents = fileURLToPath(new URL('../fixtures/intents.csv', import.meta.url))
let folder: string
let artifact: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-s3-process-'))
  artifact = join(folder, 'tiny')
  const exported = ['export', checkpoint, '--output', artifact, '--precision', 'float32']
  expect(await run(exported, {})).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** The real command line in a process of its own; no setting of this machine reaches it. */
function start(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcessWithoutNullStreams {
  const settings = {
    PATH: process.env.PATH,
    AWS_CONFIG_FILE: join(folder, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_ENCODER: artifact,
    ESPALIER_PRECISION: 'float32',
    ESPALIER_WORKERS: '1',
    ESPALIER_LOG_LEVEL: 'error',
    ESPALIER_POLL_SECONDS: '1',
    ...env,
  }
  return spawn(process.execPath, [bundle.script, ...argv], { env: settings })
}

async function run(argv: readonly string[], env: Readonly<Record<string, string>>) {
  return finish(start(argv, env))
}

/** Starts a server, lets `work` use it, and stops it in order. */
async function serve(
  env: Readonly<Record<string, string>>,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const child = start(['serve', '--port', '0', '-q'], env)
  const ended = finish(child)
  try {
    const [line] = await once(child.stdout, 'data')
    await work(/http:\S+/.exec(String(line))?.[0] ?? '')
  } finally {
    child.kill('SIGTERM')
  }
  expect(await ended).toMatchObject({ code: 0, stderr: '' })
}

/** The version that answers. */
async function classify(url: string): Promise<string | undefined> {
  const response = await fetch(`${url}/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'assistant', inputs: 'where is my parcel' }),
  })
  const body = await response.json()
  expect(response.status, JSON.stringify(body)).toBe(200)
  return classifyResponseSchema.parse(body).data[0]?.predictions[0]?.model
}

describeOnS3('espalier with a registry on S3', ({ env, newUrl }) => {
  it('trains, promotes, serves, follows and rolls back', async () => {
    // Without options in the URL: the environment says where S3 is.
    const registry = { ...env, ESPALIER_REGISTRY: newUrl().replace(/\?.*/, '') }
    const train = ['train', intents, '--name', 'assistant', '-q']
    expect(await run([...train, '--promote'], registry)).toMatchObject({ code: 0, stderr: '' })
    await serve(registry, async (url) => {
      expect(await classify(url)).toBe('assistant@v1')
      const second = await run([...train, '--method', 'ncm'], registry)
      expect(second).toMatchObject({ code: 0, stderr: '' })
      const promoted = await run(['promote', 'assistant@v2'], registry)
      expect(promoted).toMatchObject({ code: 0, stderr: '' })
      await expect.poll(() => classify(url), { timeout: 20_000 }).toBe('assistant@v2')
      expect(await run(['rollback', 'assistant'], registry)).toMatchObject({ code: 0, stderr: '' })
      await expect.poll(() => classify(url), { timeout: 20_000 }).toBe('assistant@v1')
    })
    const listed = await run(['models', '--json'], registry)
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(listed.stdout).toContain('assistant')
  })

  it('says in one line what is wrong with bucket or secret', async () => {
    const none = { ...env, ESPALIER_REGISTRY: 's3://espalier-no-such-bucket' }
    const missing = await run(['show', 'assistant'], none)
    expect(missing).toMatchObject({ code: 1, stdout: '' })
    expect(missing.stderr).toMatch(/^espalier: cannot .*there is no bucket espalier-no-such.*\n$/)
    const wrong = { ...env, AWS_SECRET_ACCESS_KEY: 'wrong', ESPALIER_REGISTRY: newUrl() }
    const refused = await run(['show', 'assistant'], wrong)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/^espalier: cannot .*credentials are not valid.*request .*\n$/)
    const elsewhere = { ...env, AWS_REGION: 'eu-west-1' }
    const bucket = newUrl().replace(/\?.*/, '')
    const moved = await run(['show', 'assistant'], { ...elsewhere, ESPALIER_REGISTRY: bucket })
    expect(moved.stderr).toContain('set AWS_REGION=us-east-1')
  })
})

describe('a training job', () => {
  let fake: FakeS3
  beforeAll(async () => {
    // As the deployment's bucket is: versions are created only, and nothing that never changes is overwritten.
    const createdOnly = /\/models\/[^/]+\/versions\//
    fake = await startFakeS3(
      new FakeBucket({ createdOnly, writtenOnce: /\/(?:blobs|models\/[^/]+\/versions)\// }),
    )
    for (const key of ['rows/intents.csv', 'two/a.csv', 'two/b.csv']) {
      const request = { method: 'PUT', key, query: new URLSearchParams(), headers: {} }
      fake.bucket.handle({ ...request, body: readFileSync(intents) })
    }
  })
  afterAll(() => fake.close())

  const train = (rows: string) =>
    run(['train', fake.url(rows), '--name', 'assistant', '--promote', '--quiet'], {
      ESPALIER_REGISTRY: fake.url('x/registry'),
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
    })

  it('reads its rows from S3 and publishes into a bucket that denies overwrites', async () => {
    expect(await train('rows/intents.csv')).toMatchObject({ code: 0, stderr: '' })
    const keys = [...fake.bucket.objects.keys()]
    expect(keys).toContain('x/registry/models/assistant/versions/1.json')
    expect(keys).toContain('x/registry/models/assistant/state.json')
  })

  it('says what is wrong with the object', async () => {
    const missing = await train('rows/none.csv')
    expect(missing).toMatchObject({ code: 1, stdout: '' })
    expect(missing.stderr).toMatch(
      /^espalier: s3:\/\/[^?]*rows\/none\.csv: there is no such object\n$/,
    )
    const several = await train('two')
    expect(several.stderr).toMatch(/has 2 objects below it, such as a\.csv; name one\n$/)
  })
})

describe('the AWS SDK', () => {
  let fake: FakeS3
  beforeAll(async () => {
    fake = await startFakeS3()
  })
  afterAll(() => fake.close())

  /** Every script that a run of the command line loaded, by URL. */
  async function loadedBy(registry: string, work: (env: Record<string, string>) => Promise<void>) {
    const coverage = await mkdtemp(join(folder, 'loaded-'))
    await work({
      ESPALIER_REGISTRY: registry,
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      NODE_V8_COVERAGE: coverage,
    })
    const urls: string[] = []
    for (const name of await readdir(coverage)) {
      const { result } = JSON.parse(await readFile(join(coverage, name), 'utf8'))
      urls.push(...result.map(({ url }: { url: string }) => url))
    }
    return urls
  }
  /** Packages lie inside the bundle's chunks, each under a comment with its path. */
  const isSdk = (url: string) =>
    url.startsWith('file:') && /node_modules\/@aws-sdk\//.test(readFileSync(new URL(url), 'utf8'))
  const models = async (env: Record<string, string>) => {
    expect(await run(['models'], env)).toMatchObject({ code: 0, stderr: '' })
  }

  it('is loaded for a registry on S3', async () => {
    expect((await loadedBy(fake.url('x'), models)).some(isSdk)).toBe(true)
  })

  it('is not loaded for a registry in a folder, by commands or the server', async () => {
    const registry = `file:${join(folder, 'registry')}`
    const urls = await loadedBy(registry, async (env) => {
      await models(env)
      await serve(env, async (url) => {
        expect((await fetch(`${url}/readyz`)).status).toBe(200)
      })
    })
    expect(urls.some((url) => url.includes('/dist/cli.js'))).toBe(true)
    expect(urls.filter(isSdk)).toEqual([])
  })
})
