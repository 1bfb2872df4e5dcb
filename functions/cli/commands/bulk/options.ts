import { type Command, InvalidArgumentError } from 'commander'
import type { Share } from '../../../../shared/bulk/plan.ts'
import { type AnswerOptions, addAnswerOptions } from '../../options/answer-wishes.ts'
import { addTextInputOptions, type InputOptions } from '../../options/input.ts'
import { addEncoderOptions, type EncoderOptions } from '../../options/job-parts.ts'
import { oneOf, wholeNumber } from '../../options/parsers.ts'
import { addTextReadingOptions, type TextReadingOptions } from '../../options/text-reading.ts'

const MAX_SHARES = 10_000

/** The options of `espalier bulk`. */
export interface BulkOptions
  extends InputOptions,
    EncoderOptions,
    TextReadingOptions,
    AnswerOptions {
  readonly output: string
  readonly shard?: Share
  readonly classifier?: string
  readonly topK: number
  readonly to: 'jsonl' | 'npy'
  readonly idColumn?: string
  readonly prompt?: string
  readonly normalize: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Adds the options of `BulkOptions` but the output. */
export function addBulkOptions(command: Command): Command {
  command
    .option(
      '--shard <i/n>',
      'do share i of n, from 0; default: the child of an AWS Batch array job, else all',
      parseShare,
    )
    .option('--classifier <name>', 'classify with it, such as intent or intent@v7, instead')
    .option('--top-k <n>', 'labels of each row', wholeNumber(1, 100_000), 1)
    .option('--to <format>', 'jsonl, or npy with the ids beside', oneOf(['jsonl', 'npy']), 'jsonl')
    .option('--id-column <name>', 'column that names a row; default: id, else its number')
  addAnswerOptions(command)
  addTextReadingOptions(addTextInputOptions(command), "right, or the classifier's own")
  return addEncoderOptions(command)
    .option('--prompt <name>', 'prompt of the encoder put before each text; default: its own')
    .option('--no-normalize', 'vectors as pooled, not scaled to length 1')
    .option('--json', 'print the summary as JSON')
    .option('-q, --quiet', 'no progress on stderr')
}

function parseShare(value: string): Share {
  const match = /^(\d{1,5})\/(\d{1,5})$/.exec(value)
  const [index, count] = [Number(match?.[1]), Number(match?.[2])]
  if (match && count >= 1 && count <= MAX_SHARES && index < count) return { index, count }
  throw new InvalidArgumentError(`It must be i/n with i from 0 to n - 1, n up to ${MAX_SHARES}.`)
}
