import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { addRequired } from '../../options/declare.ts'
import { addBulkOptions, type BulkOptions } from './options.ts'
import { bulkFiles } from './run.ts'

/** `espalier bulk INPUT --output OUTPUT` */
export function addBulkCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('bulk')
    .summary('embed or classify many files, here or on S3')
    .description(
      'Embed or classify the rows of many files, from a folder or s3://bucket/prefix to another. A result appears ' +
        'whole and once: running it again does what is missing, and several workers may share the files.',
    )
    .argument('<input>', 'a folder, a file, or s3://bucket/prefix of CSV, TSV, JSONL or text files')
  addRequired(command, '-o, --output <place>', 'a folder or s3://bucket/prefix for the results')
  addBulkOptions(command)
    .addHelpText(
      'after',
      `
Rows that cannot be used go to NAME.bad.jsonl with line and reason.
Exit codes: 0 all is there, 1 a shard cannot be read, 2 wrong usage; 75 (S3 away) and 143 (SIGTERM) leave
nothing half done: try again.

Examples:
  espalier bulk reviews/ --output vectors/
  espalier bulk s3://data/in --output s3://data/out --classifier intent@v7 --top-k 3
  espalier bulk big.csv --output out/ --shard 2/8 --to npy`,
    )
    .action((input: string, options: BulkOptions) => bulkFiles(context, input, options))
}
