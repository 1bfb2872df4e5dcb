import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import type { HeadOrigin, PublishModelResult } from '../../../shared/versions/publish-model.ts'
import type { Boot } from '../../boot/types.ts'
import type { CommandContext } from '../context.ts'
import { oneOf } from '../options/parsers.ts'
import { describeOwnChange } from '../output/describe-change.ts'
import { formatBytes, formatCount } from '../output/number-format.ts'
import type { ProgressDisplay } from '../output/progress.ts'

/** What a command may say about a publication. */
export interface PublicationFlags {
  readonly name?: string
  readonly idempotencyKey?: string
  readonly promote?: boolean
  readonly by?: string
  readonly reason?: string
}

/** The options of `espalier publish`. */
interface PublishFlags extends PublicationFlags {
  readonly kind?: 'classifier' | 'embedding'
  readonly description?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** `espalier publish FOLDER --name intent` */
export function addPublishCommand(program: Command, context: CommandContext): void {
  program
    .command('publish')
    .summary('publish an encoder or a classifier from files')
    .description(
      'Publish what lies at PATH as a new version: an encoder artifact that "espalier export" made, a folder ' +
        'with head.bin and its reports, or such a file. It is checked whole before it is sent.',
    )
    .argument('<path>', 'the folder, or the file of a head')
    .option('--name <name>', "name of the model; default: the encoder's own")
    .option(
      '--kind <kind>',
      'classifier or embedding; default: what lies there',
      oneOf(['classifier', 'embedding']),
    )
    .option('--description <text>', 'what it is, for its card')
    .option('--idempotency-key <key>', 'publishing again with this key gives the same version')
    .option('--promote', 'make it the champion')
    .option('--by <who>', 'who publishes it, for its card and the history')
    .option('--reason <text>', 'why it is promoted, for the history')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier publish ./bge-small-encoder
  espalier publish ./head.bin --name intent --promote
  espalier publish ./artifact --name bge-small --idempotency-key "$CI_JOB_ID"`,
    )
    .action((path: string, flags: PublishFlags) => publishFolder(context, path, flags))
}

/** Publishes a folder or file and says what became of it. */
async function publishFolder(
  context: CommandContext,
  path: string,
  flags: PublishFlags,
): Promise<void> {
  checkPublication(flags)
  const display = context.progress(flags.quiet === true)
  try {
    const { result, lines } = await publishPath(context, await context.boot(), path, flags, display)
    display.stop()
    if (flags.json !== true) return await context.print(lines.join('\n'))
    const { version, created } = result
    const shown = { model: formatModelVersion(version), created, version, state: result.state }
    await context.print(JSON.stringify(shown, null, 2))
  } finally {
    display.stop()
  }
}

/** @throws EspalierError `invalid_request` for options that mean nothing together */
export function checkPublication({ promote, reason }: PublicationFlags): void {
  if (reason === undefined || promote === true) return
  throw new EspalierError('invalid_request', '--reason is for the history; it needs --promote')
}

/** Publishes what lies at a path; returns the result and the lines that tell it. */
export async function publishPath(
  { signal }: CommandContext,
  boot: Boot,
  path: string,
  flags: PublishFlags & { readonly origin?: HeadOrigin },
  display: ProgressDisplay,
): Promise<{ readonly result: PublishModelResult; readonly lines: readonly string[] }> {
  const { publishModel } = await import('../../../shared/versions/publish-model.ts')
  const { name, kind, description, by, reason, idempotencyKey, origin } = flags
  const changeId = randomUUID()
  const result = await publishModel(
    { registry: await boot.openRegistry(), builtinEncoders: () => boot.builtinEncoders() },
    {
      path,
      name,
      kind,
      description,
      origin,
      by,
      reason,
      idempotencyKey,
      promote: flags.promote === true,
      changeId,
      onProgress: display.report,
      signal,
    },
  )
  return { result, lines: describeResult(result, flags, changeId) }
}

function describeResult(
  { version, created, state }: PublishModelResult,
  { promote }: PublishFlags,
  changeId: string,
): string[] {
  const model = formatModelVersion(version)
  const bytes = version.files.reduce((sum, file) => sum + file.bytes, 0)
  const what = version.kind === 'embedding' ? 'encoder' : 'classifier'
  const files = `${formatCount(version.files.length, 'file')}, ${formatBytes(bytes)}`
  const already = created ? '' : ' (published before under this key)'
  const lines = [`${model}: ${what}, ${files}${already}`]
  if (state !== null) {
    lines.push(describeOwnChange(state, changeId, `${version.name}@champion: v${version.version}`))
  } else if (promote === true) lines.push('promoted before under this key; what it means now stays')
  else lines.push(`Next: espalier promote ${model}`)
  return lines
}
