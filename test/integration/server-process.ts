import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'

/** A server in a process of its own. */
export interface ServerProcess {
  readonly url: string
  /** What it has logged so far, one object a line. */
  logged(): Record<string, unknown>[]
  /** Ends it with SIGTERM and gives its exit code. */
  stop(): Promise<number | null>
}

/** How a process ended that did not get as far as serving. */
export interface EndedProcess {
  readonly code: number | null
  readonly stderr: string
}

/**
 * Starts `espalier serve`; no setting of this machine reaches it. Resolves when it listens, or has ended.
 * @param user whose process it is
 */
export async function startServer(
  script: string,
  env: Readonly<Record<string, string>>,
  argv: readonly string[] = [],
  user: { readonly uid?: number; readonly gid?: number } = {},
): Promise<ServerProcess | EndedProcess> {
  const settings = { PATH: process.env.PATH, ESPALIER_WORKERS: '1', ...env }
  const child = spawn(process.execPath, [script, 'serve', '--port', '0', '-q', ...argv], {
    env: settings,
    ...user,
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const closed = once(child, 'close')
  const first = await Promise.race([once(child.stdout, 'data'), closed])
  const url = /http:\S+/.exec(String(first[0]))?.[0]
  if (url === undefined) {
    const [code] = await closed
    return { code, stderr }
  }
  return {
    url,
    logged: () => readLog(stderr),
    async stop() {
      child.kill('SIGTERM')
      return exitCode(child, closed)
    },
  }
}

/** As `startServer`, for a server that has to come up. */
export async function startedServer(
  ...args: Parameters<typeof startServer>
): Promise<ServerProcess> {
  const started = await startServer(...args)
  if ('url' in started) return started
  throw new Error(`the server ended with ${started.code}: ${started.stderr}`)
}

async function exitCode(
  child: ChildProcessWithoutNullStreams,
  closed: Promise<unknown[]>,
): Promise<number | null> {
  await closed
  return child.exitCode
}

function readLog(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
}
