import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { oneOf } from '../options/parsers.ts'
import { type PublishFlags, publishFolder } from '../publish-folder.ts'

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
