import type { Command } from 'commander'
import { addOldName } from '../../options/declare.ts'
import { addEncoderOptions, type EncoderOptions } from '../../options/job-parts.ts'
import { addLabelledOptions, type LabelledInputOptions } from '../../options/labelled-input.ts'
import { nameList, numberBetween } from '../../options/parsers.ts'
import { addTextReadingOptions, type TextReadingOptions } from '../../options/text-reading.ts'
import {
  addFitOptions,
  addOutcomeOptions,
  type FitOptions,
  type OutcomeOptions,
} from '../../options/training.ts'

/** The options of `espalier train`. */
export interface TrainOptions
  extends LabelledInputOptions,
    EncoderOptions,
    FitOptions,
    OutcomeOptions,
    TextReadingOptions {
  readonly name: string
  readonly layer?: readonly string[]
  readonly thumbnails: boolean
  readonly learningCurve: boolean
  readonly dropSuspect?: boolean
  readonly precisionAt?: number
}

/** Adds the options of `TrainOptions` but the name. */
export function addTrainOptions(command: Command): Command {
  addTextReadingOptions(addLabelledOptions(command), 'right')
  addEncoderOptions(addFitOptions(command)).option(
    '--layer <names>',
    'images: layer of the encoder to train on, as "espalier layers" lists them; of several, separated by commas, ' +
      'cross-validation and LogME choose one; auto: of the last of each shape',
    nameList,
  )
  command
    .option(
      '--drop-suspect',
      'leave training rows whose label is likely wrong out of the fit; default: where clearly 5 % or more are wrong',
    )
    .option('--no-drop-suspect', 'learn all rows, whatever their labels')
  command.option(
    '--precision-at <share>',
    'find the score from which answers are right so often, 0.5 to 0.999, with 95 % confidence; answers of the classifier ' +
      'then say whether they abstain',
    numberBetween(0.5, 0.999),
  )
  command.option('--no-thumbnails', 'show no misclassified test images in the report')
  command.option('--no-learning-curve', 'do not measure the accuracy with fewer rows')
  addOldName(command, '--layers <names>', 'layer')
  return addOutcomeOptions(command, {
    promote: 'make it the champion, unless it is worse than the present one',
    force: 'also if it is worse',
    key: 'training the same again with this key gives the same version',
    by: 'who trains it, for its card and the history',
    description: 'what it is, for its card',
    quoteTexts: 'quote misclassified test texts in the report, which the version keeps',
  })
}
