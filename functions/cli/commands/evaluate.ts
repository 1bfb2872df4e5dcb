import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { type EvaluateOptions, evaluateFile } from '../evaluate-file.ts'
import { addEncoderOptions } from '../options/job-parts.ts'
import { addLabelledOptions } from '../options/labelled-input.ts'

/** `espalier evaluate intent@v7 FILE` */
export function addEvaluateCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('evaluate')
    .summary('judge a classifier on labelled texts or images')
    .description(
      'Judge a version of a classifier on the labelled texts of a file, or on a folder of images.',
    )
    .argument('<model>', 'the classifier: name, name@alias or name@v7')
    .argument('<data>', 'the file, a folder of images, or - for stdin')
  addLabelledOptions(command)
  addEncoderOptions(command)
    .option('--quote-texts', 'quote misclassified texts')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress and no warnings on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier evaluate intent test.csv
  espalier evaluate pets pets-test/
  espalier evaluate intent@v7 test.jsonl --label-column topic --json`,
    )
    .action((model: string, data: string, options: EvaluateOptions) =>
      evaluateFile(context, model, data, options),
    )
}
