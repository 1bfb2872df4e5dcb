import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openS3Store } from '../../shared/registry/stores/s3/store.ts'
import { bundledCli } from '../cli-bundle.ts'
import { FakeBucket, type S3Request } from '../fakes/fake-bucket.ts'
import { type FakeS3, type Fault, startFakeS3 } from '../fakes/fake-s3.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { finish } from './finish-process.ts'

const bundle = bundledCli()
/** Remembers whose credentials signed each request. */
class SignedBucket extends FakeBucket {
  readonly signers: string[] = []
  override handle(request: S3Request) {
    this.signers.push(/Credential=([^/]+)/.exec(String(request.headers.authorization))?.[1] ?? '')
    return super.handle(request)
  }
}

const bucket = new SignedBucket()
let folder: string
let s3: FakeS3
let lambda: { server: Server; host: string; calls: string[]; atRestore: () => Promise<void> }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-snapstart-'))
  s3 = await startFakeS3(bucket)
  lambda = await startRuntimeApi()
})
afterAll(async () => {
  lambda.server.close()
  await s3.close()
  await rm(folder, { recursive: true, force: true })
})

/** Lambda's side: the runtime API, and credentials that are others after the restore. */
async function startRuntimeApi(): Promise<typeof lambda> {
  const calls: string[] = []
  let restored = false
  const runtime = { calls, atRestore: async () => {} }
  const server = createServer(async (request, response) => {
    if (request.url === '/credentials') {
      const key = restored ? 'AFTER' : 'BEFORE'
      const expires = new Date(Date.now() + 3_600_000).toISOString()
      const body = { AccessKeyId: key, SecretAccessKey: 's', Token: 't', Expiration: expires }
      response.end(JSON.stringify(body))
      return
    }
    calls.push(`${request.method} ${request.url}`)
    await runtime.atRestore()
    restored = true
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(runtime, { server, host })
}

/** Loads the entry point as Lambda's runtime does, and gives it events, one after the other. */
async function invoke(...events: object[]) {
  const entry = pathToFileURL(join(dirname(bundle.script), 'lambda.js'))
  const script = `
    const { handler } = await import(${JSON.stringify(entry)})
    const context = { getRemainingTimeInMillis: () => 30000 }
    const answers = []
    for (const event of ${JSON.stringify(events)}) answers.push(await handler(event, context))
    process.stdout.write(JSON.stringify(answers))
    process.exit(0)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: {
      PATH: process.env.PATH,
      AWS_CONFIG_FILE: join(folder, 'none'),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${lambda.host}/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'token',
      AWS_LAMBDA_FUNCTION_NAME: 'espalier',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'snap-start',
      AWS_LAMBDA_RUNTIME_API: lambda.host,
      ESPALIER_REGISTRY: s3.url('models'),
      ESPALIER_CACHE: join(folder, 'cache'),
      ESPALIER_ENCODER: 'words',
      ESPALIER_PRECISION: 'float32',
      ESPALIER_WORKERS: '1',
    },
  })
  const { stdout, stderr } = await finish(child)
  return { results: stdout === '' ? [] : JSON.parse(stdout), stderr }
}

it('a function goes on from its snapshot with the registry and the credentials of now', async () => {
  const registry = openRegistry(await openS3Store(s3.url('models'), s3.options))
  await publishTinyEncoder(registry, 'words')
  let before = 0
  lambda.atRestore = async () => {
    before = bucket.signers.length
    expect(new Set(bucket.signers)).toEqual(new Set(['key', 'BEFORE']))
    // While the snapshot lies on a shelf, the registry moves on.
    await publishTinyEncoder(registry, 'words')
    bucket.signers.splice(0)
  }
  const file = new URL('../fixtures/lambda/function-url.json', import.meta.url)
  const event = JSON.parse(await readFile(file, 'utf8'))
  event.requestContext.http.method = 'GET'
  const get = (rawPath: string) => ({ ...event, rawPath, body: null })
  const { results, stderr } = await invoke(get('/info'), get('/metrics'))
  const [result, metrics] = results
  expect(lambda.calls).toEqual(['GET /2018-06-01/runtime/restore/next'])
  expect(before).toBeGreaterThan(0)
  expect(result, stderr).toMatchObject({ statusCode: 200 })
  expect(JSON.parse(result.body)).toMatchObject({
    model_id: 'words',
    model_version: 2,
    // What an event can bring, in base64.
    max_image_bytes: 4560 * 1024,
  })
  expect(metrics).toMatchObject({ statusCode: 404 })
  expect(metrics.body).toContain('ESPALIER_METRICS')
  expect(new Set(bucket.signers)).toEqual(new Set(['AFTER']))
  await registry.close()
})

it('a function that cannot reach its registry after the restore serves what it has', async () => {
  lambda.atRestore = async () => {
    const hangUp: Fault = ({ response }) => void response.destroy()
    s3.script(...Array.from({ length: 100 }, () => hangUp))
  }
  const file = new URL('../fixtures/lambda/api-gateway-v2.json', import.meta.url)
  const { results, stderr } = await invoke(JSON.parse(await readFile(file, 'utf8')))
  expect(results[0], stderr).toMatchObject({ statusCode: 200 })
  expect(JSON.parse(results[0].body)).toHaveLength(2)
})
