import { type Command, InvalidArgumentError } from 'commander'
import type { Share } from '../../../../shared/bulk/plan.ts'
import type { CommandContext } from '../../context.ts'
import { addInputOptions } from '../../options/input.ts'
import { addEncoderOptions } from '../../options/job-parts.ts'
import { oneOf, wholeNumber } from '../../options/parsers.ts'
import { type BulkOptions, bulkFiles } from './run.ts'

const MAX_SHARES = 10_000

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
    .requiredOption('-o, --output <place>', 'a folder or s3://bucket/prefix for the results')
    .option(
      '--shard <i/n>',
      'do share i of n, from 0; default: the child of an AWS Batch array job, else all',
      parseShare,
    )
    .option('--classifier <name>', 'classify with it, such as intent or intent@v7, instead')
    .option('--top-k <n>', 'labels of each row', wholeNumber(1, 100_000), 1)
    .option('--to <format>', 'jsonl, or npy with the ids beside', oneOf(['jsonl', 'npy']), 'jsonl')
    .option('--id-column <name>', 'column that names a row; default: id, else its number')
  addInputOptions(command)
  addEncoderOptions(command)
    .option('--prompt <name>', 'prompt of the encoder put before each text; default: its own')
    .option('--no-normalize', 'vectors as pooled, not scaled to length 1')
    .option('--json', 'print the summary as JSON')
    .option('-q, --quiet', 'no progress on stderr')
    .addHelpText(
      'after',
      `
Rows that cannot be used go to NAME.bad.jsonl with line and reason.
Exit codes: 0 all is there, 1 a shard cannot be read, 2 wrong usage; 75 (S3 away, or overload) and 143 (SIGTERM)
leave nothing half done: try again.

Examples:
  espalier bulk reviews/ --output vectors/
  espalier bulk s3://data/in --output s3://data/out --classifier intent@v7 --top-k 3
  espalier bulk big.csv --output out/ --shard 2/8 --to npy`,
    )
    .action((input: string, options: BulkOptions) => bulkFiles(context, input, options))
}

function parseShare(value: string): Share {
  const match = /^(\d{1,5})\/(\d{1,5})$/.exec(value)
  const [index, count] = [Number(match?.[1]), Number(match?.[2])]
  if (match && count >= 1 && count <= MAX_SHARES && index < count) return { index, count }
  throw new InvalidArgumentError(`It must be i/n with i from 0 to n - 1, n up to ${MAX_SHARES}.`)
}
