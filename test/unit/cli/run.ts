import { Readable, Writable } from 'node:stream'
import type { Boot } from '../../../functions/boot/types.ts'
import { runCli } from '../../../functions/cli/run-cli.ts'
import type { Clock } from '../../../shared/lib/clock.ts'

/** What a command line did. */
export interface CliRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a test may choose about the process around a command line. */
export interface CliRunOptions {
  readonly boot: Boot | (() => Promise<Boot>)
  readonly stdin?: string | Readable
  readonly signal?: AbortSignal
  readonly stdout?: Writable
  readonly terminal?: boolean
  /** Told where the command would end its process by force. */
  readonly endByForce?: () => void
  readonly clock?: Clock
}

/** Runs a command line as the process would, with its streams in memory. */
export async function runCommand(argv: readonly string[], options: CliRunOptions): Promise<CliRun> {
  const stdout = new TextStream()
  const stderr = Object.assign(new TextStream(), { isTTY: options.terminal ?? false })
  const { boot, stdin = '' } = options
  const code = await runCli(argv, {
    boot: typeof boot === 'function' ? boot : async () => boot,
    version: '1.2.3',
    stdin: typeof stdin === 'string' ? Readable.from([Buffer.from(stdin)]) : stdin,
    stdout: options.stdout ?? stdout,
    stderr,
    signal: options.signal ?? new AbortController().signal,
    endByForce: options.endByForce ?? (() => {}),
    ...(options.clock && { clock: options.clock }),
  })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class TextStream extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
