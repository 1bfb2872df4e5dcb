import type { Command } from 'commander'
import { LOSS_NAMES, type LossName } from '../../../../shared/jobs/finetune/request.ts'
import {
  type Precision,
  precisionSchema,
} from '../../../../shared/lib/manifests/encoder-manifest.ts'
import { addOldName } from '../../options/declare.ts'
import { addLabelledOptions, type LabelledInputOptions } from '../../options/labelled-input.ts'
import {
  byteCount,
  decimalBetween,
  duration,
  numberBetween,
  oneOf,
  wholeNumber,
} from '../../options/parsers.ts'
import { addTextReadingOptions, type TextReadingOptions } from '../../options/text-reading.ts'
import {
  addFitOptions,
  addOutcomeOptions,
  type FitOptions,
  type OutcomeOptions,
} from '../../options/training.ts'

/** The options of `espalier finetune`. */
export interface FineTuneOptions
  extends LabelledInputOptions,
    FitOptions,
    OutcomeOptions,
    TextReadingOptions {
  readonly name: string
  readonly encoder?: string
  readonly encoderName?: string
  readonly full?: boolean
  readonly layers?: number
  readonly fromLayer?: string
  readonly headOnly?: boolean
  readonly flip?: boolean
  readonly loss?: LossName
  readonly labelSmoothing: number
  readonly epochs?: number
  readonly batchSize?: number
  readonly learningRate?: number
  readonly headLearningRate?: number
  readonly alpha?: number | 'auto'
  readonly budget?: number
  readonly maxMemory?: number
  readonly maxTokens?: number
  readonly workers?: number
  readonly validationFraction: number
  readonly precision?: Precision
  readonly output?: string
  readonly thumbnails: boolean
}

/** Adds the options of `FineTuneOptions` but the name. */
export function addFineTuneOptions(command: Command): Command {
  command.option(
    '--encoder <name>',
    'encoder to start from: a built-in one, a Hugging Face folder, or that of an image network; default: ' +
      'ESPALIER_ENCODER, for images efficientnet-lite0',
  )
  addOldName(command, '--base <encoder>', 'encoder')
  command.option(
    '--encoder-name <name>',
    'name of the tuned encoder; default: that of --name, with -encoder',
  )
  addLayerOptions(command)
  addTuningOptions(command)
  addTextReadingOptions(addLabelledOptions(command), 'right')
  addFitOptions(command)
    .option(
      '--validation-fraction <share>',
      'share of each class of the other rows that decides which weights are kept, from 200 rows on (contrastive: 1,000)',
      numberBetween(0, 0.5),
      0.1,
    )
    .option(
      '--precision <precision>',
      'precision that is served: int8, float32 or float16; default: ESPALIER_PRECISION',
      oneOf(precisionSchema.options),
    )
    .option('--output <folder>', 'keep the tuned weights here, as a Hugging Face folder')
    .option('--no-thumbnails', 'show no misclassified test images in the report')
  return addOutcomeOptions(command, {
    promote: 'make both champions, if they clearly beat the frozen encoder',
    force: 'also if they do not',
    key: 'fine-tuning the same again with this key gives the same versions',
    by: 'who trains it, for the cards and the history',
    description: 'what the classifier is, for its card',
    quoteTexts: 'quote misclassified test texts in the report, which the version keeps',
  })
}

/** Which layers are trained. */
function addLayerOptions(command: Command): Command {
  return command
    .option('--full', 'train all layers (default, texts only)')
    .option(
      '--layers <n>',
      'train the last n layers only, of an image network the last n blocks, as "espalier layers" counts them; what ' +
        'lies below runs once: faster, nearly as good; default for images: 3',
      wholeNumber(1, 128),
    )
    .option('--from-layer <name>', 'images: train what is above this layer')
    .option('--head-only', 'train the output layer only; the encoder stays as it is')
}

/** How they are trained. */
function addTuningOptions(command: Command): Command {
  return command
    .option(
      '--flip',
      'images: learn each one mirrored as well, unless left and right matter: twice the time and memory',
    )
    .option(
      '--loss <name>',
      `${LOSS_NAMES.join(', ')}; default: cross-entropy, with several labels a text binary`,
      oneOf(LOSS_NAMES),
    )
    .option(
      '--label-smoothing <share>',
      'with cross-entropy: share of each target that goes to all labels',
      numberBetween(0, 0.9),
      0,
    )
    .option(
      '--epochs <n>',
      'passes over the rows; default: 2 and more, the fewer the rows',
      numberBetween(0, 1000),
    )
    .option('--batch-size <n>', 'rows of a step; default: 32', wholeNumber(1, 1024))
    .option(
      '--learning-rate <rate>',
      'peak learning rate; default: 1e-4, with --layers 2e-4',
      decimalBetween(1e-9, 1e6),
    )
    .option(
      '--head-learning-rate <rate>',
      'peak learning rate of the output layer',
      decimalBetween(1e-9, 1e6),
    )
    .option(
      '--alpha <share>',
      'interpolation between the weights of the base and the tuned ones: share of the tuned, up to 1, or auto: chosen ' +
        'on held-out rows; default: auto where rows are few, else 1',
      (value: string) => (value === 'auto' ? value : decimalBetween(0.01, 1)(value)),
    )
    .option('--budget <time>', 'time for the training itself, such as 60s or 10m', duration)
    .option(
      '--max-memory <size>',
      'memory that training may take, such as 1500MB; default: what is free',
      byteCount,
    )
    .option(
      '--max-tokens <n>',
      "longer texts are cut while training; default: 128, or the encoder's own limit if less",
      wholeNumber(2, 32_768),
    )
    .option('--workers <n>', 'threads; default: ESPALIER_WORKERS', wholeNumber(1, 256))
}
