import { Command } from 'commander'
import { type Clock, systemClock } from '../../shared/lib/clock.ts'
import type { Boot } from '../boot/types.ts'
import { addAdaptCommand } from './commands/adapt/command.ts'
import { addAliasCommand } from './commands/alias.ts'
import { addAuditCommand } from './commands/audit/command.ts'
import { addAwsCommands } from './commands/aws/aws.ts'
import { addBulkCommand } from './commands/bulk/command.ts'
import { addCompareCommand } from './commands/compare/command.ts'
import { addDeleteCommand } from './commands/delete.ts'
import { addDiffCommand } from './commands/diff.ts'
import { addDriftCommand } from './commands/drift.ts'
import { addEmbedCommand } from './commands/embed/command.ts'
import { addEvaluateCommand } from './commands/evaluate.ts'
import { addExportCommand } from './commands/export/command.ts'
import { addFineTuneCommand } from './commands/finetune/command.ts'
import { addGcCommand } from './commands/gc.ts'
import { addInspectCommand } from './commands/inspect/command.ts'
import { addKeysCommand } from './commands/keys.ts'
import { addLayersCommand } from './commands/layers.ts'
import { addModelsCommand } from './commands/models.ts'
import { addPredictCommand } from './commands/predict.ts'
import { addPromoteCommand } from './commands/promote.ts'
import { addPublishCommand } from './commands/publish.ts'
import { addReportCommand } from './commands/report.ts'
import { addRollbackCommand } from './commands/rollback.ts'
import { addServeCommand } from './commands/serve.ts'
import { addShadowCommand } from './commands/shadow.ts'
import { addShowCommand } from './commands/show.ts'
import { addTrafficCommand } from './commands/traffic.ts'
import { addTrainCommand } from './commands/train/command.ts'
import { addPullCommand, addPushCommand } from './commands/transfer/command.ts'
import { addVerifyCommand } from './commands/verify.ts'
import type { CommandContext, InputStream } from './context.ts'
import { createProgress, type OutputStream } from './output/progress.ts'
import {
  describeFailure,
  EXIT_FAILURE,
  EXIT_INTERRUPTED,
  EXIT_OK,
  EXIT_TERMINATED,
  toOneLine,
} from './output/report-error.ts'

/** Beyond the time for accepted requests, what closes in order has so long after a signal. */
const CLOSING_MS = 3_000

/** What the command line gets from its process. */
export interface CliDeps {
  /** Builds the parts; called at most once, and not at all for `--help`. */
  readonly boot: () => Promise<Boot>
  readonly version: string
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Aborted with the signal's name as reason: `SIGINT` or `SIGTERM`. */
  readonly signal: AbortSignal
  /** Ends the process whatever hangs; called where a command has not ended long after the signal. */
  readonly endByForce: () => void
  readonly clock?: Clock
}

/**
 * Runs one command line, without the program's name, and resolves with its exit code once everything is
 * closed: 0, 1 for a failure, 2 for wrong usage, 130 and 143 after Ctrl-C and SIGTERM.
 */
export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  const { stdout, stderr, clock = systemClock } = deps
  let exitCode = EXIT_OK
  let boot: Promise<Boot> | null = null
  let debug = false
  const deaf = new AbortController()
  const onOutputError = (error: Error): void => deaf.abort(error)
  const ignore = (): void => {}
  stdout.on('error', onOutputError)
  stderr.on('error', ignore)

  const context: CommandContext = {
    argv,
    async boot() {
      boot ??= deps.boot().then((built) => {
        limitStop(deps, built.config.shutdownTimeoutMs + CLOSING_MS)
        return built
      })
      const built = await boot
      debug = built.config.logLevel === 'debug'
      return built
    },
    stdin: deps.stdin,
    stdout,
    stderr,
    signal: AbortSignal.any([deps.signal, deaf.signal]),
    clock,
    print: (line) =>
      new Promise((resolve, reject) => {
        stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()))
      }),
    progress: (quiet) => createProgress(stderr, clock, quiet),
    exitWith(code) {
      exitCode = code
    },
  }

  try {
    await createProgram(context, deps.version).parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (deps.signal.aborted) {
      stderr.write('espalier: interrupted\n')
      return deps.signal.reason === 'SIGTERM' ? EXIT_TERMINATED : EXIT_INTERRUPTED
    }
    // Whoever read our output has what they wanted, as `head` does.
    if (isClosedPipe(error) || isClosedPipe(deaf.signal.reason)) return EXIT_OK
    if (deaf.signal.aborted) {
      stderr.write(`espalier: stdout cannot be written: ${toOneLine(String(deaf.signal.reason))}\n`)
      return EXIT_FAILURE
    }
    const failure = describeFailure(error)
    if (failure.message !== null) stderr.write(`espalier: ${toOneLine(failure.message)}\n`)
    if (debug && error instanceof Error) stderr.write(`${error.stack}\n`)
    return failure.exitCode
  } finally {
    // A late error of a stream must not bring the process down.
    stdout.on('error', ignore)
    stdout.off('error', onOutputError)
  }
}

/** A thread stuck in native code can neither be ended nor waited for. The timer outlives the command, not the process. */
function limitStop({ signal, endByForce }: CliDeps, timeoutMs: number): void {
  const arm = () => void setTimeout(endByForce, timeoutMs).unref()
  if (signal.aborted) arm()
  else signal.addEventListener('abort', arm, { once: true })
}

/** Every command with its options and help; nothing is built and nothing runs until it is parsed. */
export function createProgram(context: CommandContext, version: string): Command {
  const program = new Command('espalier')
    .description('Embeddings and your own classifiers on ONNX Runtime: one encoder, many heads.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      // Errors are ours to print, on one line.
      outputError: () => {},
    })
    .addHelpText(
      'after',
      '\nSettings are environment variables too: see docs/configuration.md.\n' +
        'Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.',
    )
  addServeCommand(program, context)
  addAuditCommand(program, context)
  addTrainCommand(program, context)
  addAdaptCommand(program, context)
  addFineTuneCommand(program, context)
  addEvaluateCommand(program, context)
  addDriftCommand(program, context)
  addCompareCommand(program, context)
  addPredictCommand(program, context)
  addEmbedCommand(program, context)
  addBulkCommand(program, context)
  addExportCommand(program, context)
  addInspectCommand(program, context)
  addLayersCommand(program, context)
  addPublishCommand(program, context)
  addModelsCommand(program, context)
  addShowCommand(program, context)
  addReportCommand(program, context)
  addDiffCommand(program, context)
  addPromoteCommand(program, context)
  addRollbackCommand(program, context)
  addTrafficCommand(program, context)
  addShadowCommand(program, context)
  addAliasCommand(program, context)
  addPullCommand(program, context)
  addPushCommand(program, context)
  addDeleteCommand(program, context)
  addGcCommand(program, context)
  addVerifyCommand(program, context)
  addKeysCommand(program, context)
  addAwsCommands(program, context)
  return program
}

function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}
