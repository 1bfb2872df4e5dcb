import type { Command } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { print as printWording } from '../../../shared/lib/wording.ts'
import type { CommandContext } from '../context.ts'
import { parseBareName } from '../options/change-options.ts'
import { formatBytes, formatCount } from '../output/number-format.ts'
import { COMMAND_LINE } from '../output/report-error.ts'

interface VerifyFlags {
  readonly json?: boolean
  readonly quiet?: boolean
}

/** `espalier verify` */
export function addVerifyCommand(program: Command, context: CommandContext): void {
  program
    .command('verify')
    .summary('check every record and every byte')
    .description(
      'Walk the registry: every record is readable, every name means a version that exists, every file has its ' +
        'size and sha256, and every head can be loaded. All damage is reported; exit code 1 where there is any.',
    )
    .argument('[name]', 'only this model')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier verify
  espalier verify intent --json`,
    )
    .action((model: string | undefined, flags: VerifyFlags) => verify(context, model, flags))
}

async function verify(
  { boot, progress, print, signal }: CommandContext,
  model: string | undefined,
  { json, quiet }: VerifyFlags,
): Promise<void> {
  const name =
    model === undefined ? undefined : parseBareName(model, 'verify', 'it checks all versions')
  const display = progress(quiet === true)
  try {
    const registry = await (await boot()).openRegistry()
    const { inspectHead } = await import('../../../shared/versions/head-version.ts')
    const onProgress = display.report
    const report = await registry.verify({ name, onProgress, inspect: inspectHead, signal })
    display.stop()
    const { models, versions, blobs, bytes } = report
    const damages = report.damages.map(({ what, why }) => ({
      what,
      why: printWording(why, COMMAND_LINE),
    }))
    if (name !== undefined && models === 0 && damages.length === 0) {
      throw new EspalierError('model_not_found', `no model "${name}" in ${registry.url}`)
    }
    if (json === true) await print(JSON.stringify({ ...report, damages }, null, 2))
    else {
      for (const { what, why } of damages) await print(`${what}: ${why}`)
      await print(
        `${formatCount(models, 'model')}, ${formatCount(versions, 'version')}, ` +
          `${formatCount(blobs, 'file')} (${formatBytes(bytes)}): ${damages.length === 0 ? 'all is well' : `damaged in ${formatCount(damages.length, 'place')}`}`,
      )
    }
    if (damages.length === 0) return
    throw new EspalierError(
      'artifact_corrupt',
      `${registry.url} is damaged in ${formatCount(damages.length, 'place')}`,
    )
  } finally {
    display.stop()
  }
}
