import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { addInputOptions } from '../options/input.ts'
import { addEncoderOptions } from '../options/job-parts.ts'
import { numberBetween, wholeNumber } from '../options/parsers.ts'
import { type PredictFileOptions, predictFile } from '../predict-file.ts'

/** `espalier predict intent FILE|-` */
export function addPredictCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('predict')
    .summary('classify the texts of a file, or images')
    .description(
      'Classify the texts of a CSV, TSV, JSONL or plain text file, or of stdin, or the images of a folder or of ' +
        'a column of paths: one JSON line each.',
    )
    .argument('<model>', 'the classifier: name, name@alias or name@v7')
    .argument('<file>', 'the file, a folder of images, or - for stdin')
  addInputOptions(command)
    .option('--skip-empty', 'leave out rows with an empty text instead of stopping')
    .option(
      '-o, --output <file>',
      'write here instead of stdout; the file appears when it is whole',
    )
    .option('--no-text', 'leave the text out of the JSON lines')
    .option('--top-k <n>', 'labels to list of each text, best first', wholeNumber(1, 10_000), 3)
    .option(
      '--threshold <score>',
      "least score of a listed label; default: the classifier's own",
      numberBetween(0, 1),
    )
  addEncoderOptions(command)
    .option('--json', 'JSON lines: they are what is written in any case')
    .option('-q, --quiet', 'no progress and no summary on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier predict intent mails.csv --text-column body --output mails.jsonl
  espalier predict pets holiday-images/ --output holiday.jsonl
  espalier predict intent@v7 questions.txt --top-k 1 --no-text
  echo "play some jazz" | espalier predict intent - --format txt`,
    )
    .action((model: string, file: string, options: PredictFileOptions) =>
      predictFile(context, model, file, options),
    )
}
