import packageJson from '../../package.json' with { type: 'json' }
import { prespawnWorker } from '../boot/prespawn-worker.ts'

const { version } = packageJson

/**
 * Runs the command line of this process and sets its exit code.
 * @param root the folder that holds `dist` and `infra`, also where the command is reached through a link
 */
export async function start(root: URL): Promise<void> {
  const argv = process.argv.slice(2)
  // What a server waits for longest starts first, before the command line itself is loaded.
  const prespawned = argv[0] === 'serve' ? prespawnWorker(root) : undefined

  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Once: the work ends in order; a second signal has its default effect and ends the process at once.
    process.once(signal, () => interrupted.abort(signal))
  }

  const { runCli } = await import('./run-cli.ts')
  // The exit code is set and the process left to end by itself: exiting while a worker is inside ONNX
  // Runtime would crash it.
  process.exitCode = await runCli(argv, {
    boot: async () => (await import('../boot/boot.ts')).createBoot({ root, version, prespawned }),
    version,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: interrupted.signal,
    endByForce,
  })
  await prespawned?.dispose()
  // An unread stdin would keep the process waiting.
  process.stdin.destroy()
  endWhereStuck()
}

/** Where an orderly end is not to be had: exiting would wait for, or crash in, a thread inside native code. */
function endByForce(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** A process whose command is done ends by itself, unless a worker is stuck; its last output is waited for. */
function endWhereStuck(): void {
  let checks = 0
  const check = (): void => {
    checks += 1
    if (checks >= 3 && process.stdout.writableLength === 0) endByForce()
  }
  setInterval(check, 1_000).unref()
}
