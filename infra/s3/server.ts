import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'

const ACCESS_KEY = 'testkey'
const SECRET_KEY = 'testsecret123'
const REGION = 'us-east-1'
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 5_000

export interface S3ServerOptions {
  readonly kind: 'versitygw' | 'seaweedfs'
  readonly executable: string
  /** A free one by default. */
  readonly port?: number | undefined
  /** Kept; by default a folder that goes with the server. */
  readonly data?: string | undefined
  readonly bucket: string
}

/** A server that runs. */
export interface S3Server {
  /** What programs and tests need to use it. */
  readonly env: Readonly<Record<string, string>>
  readonly data: string
  /** Resolves when it has ended, by itself or by `stop`. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** Starts a server on the loopback interface, waits until it answers, and makes its bucket. */
export async function startS3Server(options: S3ServerOptions): Promise<S3Server> {
  const { bucket } = options
  const port = options.port ?? (await findFreePort())
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'espalier-s3-')))
  await mkdir(data, { recursive: true })
  const child = spawnServer(options, port, data)
  const ended = once(child, 'exit').then(() => {})
  const endpoint = `http://127.0.0.1:${port}`
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await ended
      clearTimeout(timer)
    }
    if (options.data === undefined) await rm(data, { recursive: true, force: true })
  }
  try {
    await waitForPort(child, port)
    await makeBucket(endpoint, bucket)
  } catch (error) {
    await stop()
    throw error
  }
  const env = {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    ESPALIER_REGISTRY: `s3://${bucket}/registry`,
    S3_TEST_ENDPOINT: endpoint,
    S3_TEST_BUCKET: bucket,
  }
  return { env, data, ended, stop }
}

function spawnServer({ kind, executable }: S3ServerOptions, port: number, data: string) {
  const address = `127.0.0.1:${port}`
  const argv =
    kind === 'versitygw'
      ? ['--region', REGION, '--port', address, '--keep-alive', '--quiet', 'posix', data]
      : [
          'mini',
          '-ip=127.0.0.1',
          '-ip.bind=127.0.0.1',
          `-dir=${data}`,
          `-s3.port=${port}`,
          '-webdav=false',
          '-admin.ui=false',
        ]
  const keys =
    kind === 'versitygw'
      ? { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY }
      : { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY }
  const env = { ...process.env, ...keys }
  return spawn(executable, argv, { env, stdio: ['ignore', 'ignore', 'inherit'] })
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

async function waitForPort(child: ChildProcess, port: number): Promise<void> {
  const until = performance.now() + START_TIMEOUT_MS
  while (performance.now() < until) {
    if (child.exitCode !== null) throw new Error(`the S3 server ended with ${child.exitCode}`)
    const socket = connect(port, '127.0.0.1')
    const connected = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (connected) return
    await sleep(50)
  }
  throw new Error(`the S3 server does not answer on port ${port}`)
}

async function makeBucket(endpoint: string, bucket: string): Promise<void> {
  const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY }
  const client = new S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials })
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
  } catch (error) {
    const { $metadata } = error as { $metadata?: { httpStatusCode?: number } }
    // It is there from an earlier run.
    if ($metadata?.httpStatusCode !== 409) throw error
  } finally {
    client.destroy()
  }
}
