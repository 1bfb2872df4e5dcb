import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { addRequired } from '../../options/declare.ts'
import { addFineTuneOptions, type FineTuneOptions } from './options.ts'
import { fineTuneFile } from './run.ts'

/** `espalier finetune DATA --name intent` */
export function addFineTuneCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('finetune')
    .summary('train the encoder itself, and a classifier on it')
    .description(
      'Train an encoder on the labelled texts of a CSV, TSV or JSONL file, or on images (a folder with a folder for ' +
        'each label, or a file with a column of paths), with a classifier on it, and publish both as new versions. ' +
        'The report compares them with a classifier on the encoder as it was, on the same test rows.',
    )
    .argument('<data>', 'the file, s3://bucket/key, a folder of images, or - for stdin')
  addRequired(command, '--name <name>', 'name of the classifier')
  addFineTuneOptions(command)
    .addHelpText(
      'after',
      `
Ctrl-C while the encoder trains ends the training, not the command: the best weights so far are evaluated and
published (exit code 0). Before and after that, and a second time, it ends the command, and nothing is published.

Examples:
  espalier finetune questions.csv --name question --promote
  espalier finetune train.jsonl --test test.jsonl --name intent --encoder all-MiniLM-L6-v2 --layers 2 --budget 60s
  espalier finetune pets/ --name pets --layers 3     # pets/cat/1.jpg, pets/dog/7.png, …
  espalier finetune few.csv --name topic --loss contrastive --report ./report --dry-run`,
    )
    .action((data: string, options: FineTuneOptions) => fineTuneFile(context, data, options))
}
