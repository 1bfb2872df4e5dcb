import { type Command, Option } from 'commander'
import type { CommandContext } from '../context.ts'
import { duration } from '../options/parsers.ts'
import { formatBytes, formatCount } from '../output/number-format.ts'

const DEFAULT_AGE = '30d'

interface GcFlags {
  readonly olderThan: number
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** `espalier gc --older-than 30d` */
export function addGcCommand(program: Command, context: CommandContext): void {
  program
    .command('gc')
    .summary('remove files that no version names')
    .description(
      'Remove stored files that no version names and that are old. Safe while others publish.',
    )
    .addOption(
      new Option('--older-than <age>', 'files younger than this stay, 2h at least')
        .argParser(duration)
        .default(duration(DEFAULT_AGE), DEFAULT_AGE),
    )
    .option('--dry-run', 'say what would be removed')
    .option('--json', 'print the result as JSON, with every hash')
    .option('-q, --quiet', 'no progress on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier gc --dry-run
  espalier gc --older-than 7d`,
    )
    .action((flags: GcFlags) => collectGarbage(context, flags))
}

async function collectGarbage(
  { boot, progress, print, signal }: CommandContext,
  { olderThan: olderThanMs, dryRun, json, quiet }: GcFlags,
): Promise<void> {
  const display = progress(quiet === true)
  try {
    const registry = await (await boot()).openRegistry()
    const report = await registry.collectGarbage({
      olderThanMs,
      dryRun,
      onProgress: display.report,
      signal,
    })
    display.stop()
    if (json === true) return await print(JSON.stringify(report, null, 2))
    const { found, used, young, garbage, leftovers, undecided, broken } = report
    const describe = ({ blobs, bytes }: { blobs: number; bytes: number }) =>
      `${formatCount(blobs, 'file')} (${formatBytes(bytes)})`
    await print(
      `${describe(garbage)} ${report.dryRun ? 'would be removed' : 'removed'} of ${describe(found)}: ` +
        `${describe(used)} in use, ${describe(young)} too young`,
    )
    if (leftovers > 0) {
      await print(`${formatCount(leftovers, 'temporary file')} of processes that died removed`)
    }
    for (const { name, reason } of broken) await print(`${name} is broken: ${reason}`)
    if (undecided.blobs === 0) return
    await print(`${describe(undecided)} stay, as what is broken may name them; put it right first`)
  } finally {
    display.stop()
  }
}
