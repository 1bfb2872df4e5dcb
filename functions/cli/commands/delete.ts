import type { Command } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { formatModelVersion, parseModelAddress } from '../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../context.ts'
import { confirm } from '../options/change-options.ts'
import { duration } from '../options/parsers.ts'
import { formatBytes } from '../output/number-format.ts'

interface DeleteFlags {
  readonly yes?: boolean
  readonly grace?: number
  readonly by?: string
  readonly reason?: string
  readonly json?: boolean
}

/** `espalier delete intent@v7` */
export function addDeleteCommand(program: Command, context: CommandContext): void {
  program
    .command('delete')
    .summary('delete a version and its files')
    .description(
      'Delete a version that no alias, traffic split or shadow uses, and its files where no other version ' +
        'has them. Its number is never used again.',
    )
    .argument('<model>', 'the version, as name@v7')
    .option('--yes', 'do it without being asked')
    .option(
      '--grace <age>',
      'files younger than this are left to "espalier gc"; 0s erases all now; default: 1d',
      duration,
    )
    .option('--by <who>', 'who deletes it, for the history')
    .option('--reason <text>', 'why, for the history')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier delete intent@v3
  espalier delete intent@v3 --yes --grace 0s --reason "a customer left"`,
    )
    .action((model: string, flags: DeleteFlags) => deleteVersion(context, model, flags))
}

async function deleteVersion(
  context: CommandContext,
  model: string,
  { yes, grace, by, reason, json }: DeleteFlags,
): Promise<void> {
  const { name, selector } = parseModelAddress(model)
  if (selector.kind !== 'version') {
    const example = formatModelVersion({ name, version: 7 })
    throw new EspalierError('invalid_name', `say which version of ${name}, as ${example}`)
  }
  const { signal, print } = context
  const registry = await (await context.boot()).openRegistry()
  const version = await registry.getVersion(name, selector.version, { signal })
  const label = formatModelVersion(version)
  await confirm(context, `${label} and its files are deleted for good`, yes)
  const options = { graceMs: grace, by, reason, signal }
  const { erased, kept } = await registry.deleteVersion(name, version.version, options)
  const fileOf = (sha256: string) => version.files.find((file) => file.sha256 === sha256)
  if (json === true) {
    const files = {
      erased: erased.map((sha256) => ({ path: fileOf(sha256)?.path, sha256 })),
      kept: kept.map(({ sha256, why }) => ({ path: fileOf(sha256)?.path, sha256, why })),
    }
    return print(JSON.stringify({ model: label, ...files }, null, 2))
  }
  const bytes = erased.reduce((sum, sha256) => sum + (fileOf(sha256)?.bytes ?? 0), 0)
  await print(`${label} deleted: ${formatBytes(bytes)} erased`)
  for (const { sha256, why } of kept) await print(`  ${fileOf(sha256)?.path} stays: ${why}`)
}
