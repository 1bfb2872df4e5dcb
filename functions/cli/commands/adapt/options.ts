import type { Command } from 'commander'
import {
  ADAPT_METHODS,
  type AdaptMethod,
} from '../../../../shared/training/catalogue/adapt-methods.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import { addInputOptions } from '../../options/input.ts'
import { addEncoderOptions, type EncoderOptions } from '../../options/job-parts.ts'
import type { LabelledInputOptions } from '../../options/labelled-input.ts'
import { numberBetween, oneOf, wholeNumber } from '../../options/parsers.ts'
import { addTextReadingOptions, type TextReadingOptions } from '../../options/text-reading.ts'
import { addOutcomeOptions, type OutcomeOptions } from '../../options/training.ts'
import type { ProgressDisplay } from '../../output/progress.ts'

const SCALES = ['none', 'sum', 'length'] as const

/** The options of `espalier adapt`. */
export interface AdaptOptions
  extends LabelledInputOptions,
    EncoderOptions,
    OutcomeOptions,
    TextReadingOptions {
  readonly name?: string
  readonly method: AdaptMethod
  readonly compare: boolean
  readonly ridge: number
  readonly seed: number
  readonly targetLabels?: string
  readonly predictions?: string
  readonly sourceLabels?: string
  readonly features?: string
  readonly scale: (typeof SCALES)[number]
  readonly export?: string
}

/** What a run works with. */
export interface AdaptRun {
  readonly context: CommandContext
  readonly boot: Boot
  readonly display: ProgressDisplay
}

/** Adds the options of `AdaptOptions`. */
export function addAdaptOptions(command: Command): Command {
  command
    .option('--name <name>', 'name of the classifier; texts only, and needed there')
    .option('--method <method>', ADAPT_METHODS.join(', '), oneOf(ADAPT_METHODS), 'easytl')
    .option('--no-compare', 'fit the one method alone')
    .option('--ridge <number>', "CORAL's λ", numberBetween(0.000001, 1_000_000), 1)
    .option('--seed <n>', 'all randomness is derived from it', wholeNumber(0, 2 ** 31 - 1), 42)
    .option(
      '--target-labels <where>',
      'true labels of the target, to evaluate on and never to fit: a column; of features a variable or .npy file',
    )
    .option('--predictions <file>', 'write a JSON line for each row of the target')
  addInputOptions(command).option(
    '--label-column <name>',
    "column of the source's labels; default: label, category, intent, class, …",
  )
  addTextReadingOptions(command, 'right')
  addEncoderOptions(command)
    .option('--source-labels <where>', 'features: variable or .npy file; default in .mat: labels')
    .option('--features <variable>', 'features: variable of a .mat file; default: fts')
    .option('--scale <rule>', 'features: divide rows by their sum or length', oneOf(SCALES), 'none')
    .option('--export <file>', 'features: write the head as JSON')
  return addOutcomeOptions(command, {
    promote: 'make it the champion, unless it is worse than the present one',
    force: 'also if it is worse',
    key: 'the same again with this key gives the same version',
    by: 'who adapts it, for its card and the history',
    description: 'what it is, for its card',
    quoteTexts: 'quote misclassified texts of the target in the report',
  })
}

/** The methods that are fitted for comparison. */
export function besideOf({ compare }: Pick<AdaptOptions, 'compare'>): readonly AdaptMethod[] {
  return compare ? ADAPT_METHODS : []
}
