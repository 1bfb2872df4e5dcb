import type { Command } from 'commander'
import { addEncoderOptions, type EncoderOptions } from '../../options/job-parts.ts'
import { addLabelledOptions, type LabelledInputOptions } from '../../options/labelled-input.ts'
import { numberBetween, wholeNumber } from '../../options/parsers.ts'
import { addTextReadingOptions, type TextReadingOptions } from '../../options/text-reading.ts'

/** The options of `espalier audit`. */
export interface AuditOptions extends LabelledInputOptions, EncoderOptions, TextReadingOptions {
  readonly output?: string
  readonly html?: string
  readonly quoteTexts?: boolean
  readonly failAbove?: number
  readonly folds: number
  readonly seed: number
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Adds the options of `AuditOptions`. */
export function addAuditOptions(command: Command): Command {
  addTextReadingOptions(addLabelledOptions(command), 'right')
  return addEncoderOptions(command)
    .option('--output <file>', 'write all findings here as CSV, the most likely wrong labels first')
    .option('--html <file>', 'write a page with the findings into this file; - for stdout')
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
}
