import type { Readable } from 'node:stream'
import type { Clock } from '../../shared/lib/clock.ts'
import type { Boot } from '../boot/types.ts'
import type { OutputStream, ProgressDisplay } from './output/progress.ts'

/** A stream that may be a terminal. */
export type InputStream = Readable & { readonly isTTY?: boolean }

/** What a command works with; nothing else reaches the process. */
export interface CommandContext {
  /** The command line as it was typed, without the program's name. */
  readonly argv: readonly string[]
  /** Builds the parts on first use, so that `--help` needs none of them. */
  boot(): Promise<Boot>
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Aborted by Ctrl-C, by SIGTERM, and when nobody reads stdout any more. */
  readonly signal: AbortSignal
  readonly clock: Clock
  /** Writes a line to stdout, waiting where it is slow. */
  print(line: string): Promise<void>
  /** Shows progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing when quiet. */
  progress(quiet: boolean): ProgressDisplay
  /** Sets the exit code of a command that ends well. */
  exitWith(code: number): void
}
