import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { median } from './statistics.ts'

/** Milliseconds from spawning the server to its first HTTP 200 with vectors. */
export interface ColdStart {
  readonly precision: string
  readonly medianMs: number
  readonly bestMs: number
  readonly runsMs: readonly number[]
}

const POLL_MS = 5
const DEADLINE_MS = 300_000

/** Starts the built server `runs` times with a warm cache; one start before them fills the cache. */
export async function measureColdStart(
  cli: string,
  precision: string,
  runs: number,
  onRun: (text: string) => void,
): Promise<ColdStart> {
  const found: number[] = []
  for (let run = 0; run <= runs; run++) {
    onRun(`start to first answer, ${precision}: run ${run} of ${runs}`)
    const ms = await startOnce(cli, precision)
    if (run > 0) found.push(ms)
  }
  return { precision, medianMs: median(found), bestMs: Math.min(...found), runsMs: found }
}

async function startOnce(cli: string, precision: string): Promise<number> {
  const port = await findFreePort()
  const start = performance.now()
  const child = spawn(process.execPath, [cli, 'serve', '--quiet'], {
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: String(port),
      ESPALIER_PRECISION: precision,
      ESPALIER_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(child, 'exit')
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000)
  })
  try {
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error(`the server ended at start: ${said.trim()}`)
      if (performance.now() - start > DEADLINE_MS) throw new Error('the server never answered')
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
    return performance.now() - start
  } finally {
    child.kill('SIGTERM')
    await exited
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/embed`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"inputs":"A cat sleeps on the mat."}',
    })
    const body = (await response.json()) as unknown
    return response.status === 200 && Array.isArray(body)
  } catch {
    return false
  }
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
