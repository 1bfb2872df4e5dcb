import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { type TransferFlags, transfer } from './run.ts'

/** `espalier pull intent --from s3://bucket/prefix` */
export function addPullCommand(program: Command, context: CommandContext): void {
  addTransferCommand(program, context, {
    verb: 'pull',
    summary: 'copy versions from another registry',
    examples: [
      'espalier pull intent --from s3://models/espalier',
      'espalier pull intent@v7 --from s3://models/espalier --keep-versions',
      'espalier pull --all --from file:./backup --aliases',
    ],
  })
}

/** `espalier push intent --to s3://bucket/prefix` */
export function addPushCommand(program: Command, context: CommandContext): void {
  addTransferCommand(program, context, {
    verb: 'push',
    summary: 'copy versions to another registry',
    examples: [
      'espalier push intent@v7 --to s3://models/espalier',
      'espalier push intent --all --to file:./backup --keep-versions',
      'espalier push --all --from file:./a --to file:./b',
    ],
  })
}

function addTransferCommand(
  program: Command,
  context: CommandContext,
  {
    verb,
    summary,
    examples,
  }: { verb: 'pull' | 'push'; summary: string; examples: readonly string[] },
): void {
  const own = 'default: ESPALIER_REGISTRY'
  program
    .command(verb)
    .summary(summary)
    .description(
      `${summary[0]?.toUpperCase()}${summary.slice(1)}, with files, description and lineage. What is there ` +
        'already is left alone, so that a copy that was cut off is simply run again.',
    )
    .argument('[model]', 'name (what it means now), name@alias or name@v7')
    .option('--all', 'every version of the model; without a model, of every model')
    .option('--from <url>', `the registry to copy from${verb === 'push' ? `; ${own}` : ''}`)
    .option('--to <url>', `the registry to copy to${verb === 'pull' ? `; ${own}` : ''}`)
    .option(
      '--keep-versions',
      'keep version numbers, and stop where one is taken; otherwise the next free ones are given',
    )
    .option('--aliases', 'move the aliases too that mean copied versions')
    .option('--by <who>', 'who moves the aliases, for the history')
    .option('--reason <text>', 'why, for the history')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress on stderr')
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`)
    .action((model: string | undefined, flags: TransferFlags) =>
      transfer(context, verb, model, flags),
    )
}
