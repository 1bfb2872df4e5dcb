import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { addEncoderOptions, type EncoderOptions } from '../../options/job-parts.ts'
import { addLabelledOptions, type LabelledInputOptions } from '../../options/labelled-input.ts'
import { numberBetween, wholeNumber } from '../../options/parsers.ts'
import { addTextReadingOptions, type TextReadingOptions } from '../../options/text-reading.ts'
import { auditFile } from './run.ts'

/** The options of `espalier audit`. */
export interface AuditOptions extends LabelledInputOptions, EncoderOptions, TextReadingOptions {
  readonly output?: string
  readonly quoteTexts?: boolean
  readonly failAbove?: number
  readonly folds: number
  readonly seed: number
  readonly json?: boolean
  readonly quiet?: boolean
}

/** `espalier audit DATA --output suspects.csv` */
export function addAuditCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('audit')
    .summary('find wrong labels, conflicts, copies and outliers in labelled data')
    .description(
      'Audit labelled texts or images before training: labels that are likely wrong with the likelier one, ' +
        'conflicts, near copies, outliers, labels that cannot be told apart. Nothing is trained or published.',
    )
    .argument('<data>', 'the file, s3://bucket/key, a folder of images, or - for stdin')
  addTextReadingOptions(addLabelledOptions(command), 'right')
  addEncoderOptions(command)
    .option('--output <file>', 'write all findings here as CSV, the most likely wrong labels first')
    .option('--quote-texts', 'give the texts of the rows too')
    .option(
      '--fail-above <share>',
      'exit with 1 where more than this share of the labels is likely wrong, for pipelines',
      numberBetween(0, 1),
    )
    .option('--folds <n>', 'parts of the cross-validation', wholeNumber(2, 20), 5)
    .option('--seed <n>', 'all randomness is derived from it', wholeNumber(0, 2 ** 31 - 1), 42)
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress and no warnings on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier audit tickets.csv
  espalier audit tickets.csv --output suspects.csv --quote-texts
  espalier audit tickets.csv --fail-above 0.02 --quiet`,
    )
    .action((data: string, options: AuditOptions) => auditFile(context, data, options))
}
