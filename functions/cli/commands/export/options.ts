import type { Command } from 'commander'
import {
  type Precision,
  precisionSchema,
} from '../../../../shared/lib/manifests/encoder-manifest.ts'
import { listOf, namedTexts, oneOf, wholeNumber } from '../../options/parsers.ts'
import type { PublicationFlags } from '../publish.ts'

const MODALITIES = ['text', 'image'] as const
const POOLINGS = ['mean', 'cls', 'max'] as const

/** The options of `espalier export`. */
export interface ExportOptions extends PublicationFlags {
  readonly output?: string
  readonly encoderName?: string
  readonly publish?: boolean
  readonly modality?: (typeof MODALITIES)[number]
  readonly layer?: string
  readonly precision?: readonly Precision[]
  readonly calibration?: string
  readonly pooling?: (typeof POOLINGS)[number]
  readonly maxTokens?: number
  readonly prompt?: Readonly<Record<string, string>>
  readonly headless?: boolean
  readonly onnx?: string
  readonly keepTokens?: string
  readonly allowRegex?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Adds the options of `ExportOptions`. */
export function addExportOptions(command: Command): Command {
  return command
    .option(
      '-o, --output <folder>',
      'folder to make; default: the name of FOLDER in the current one, with -encoder',
    )
    .option('--name <name>', "name of the encoder, or of the classifier; default: the folder's")
    .option(
      '--encoder-name <name>',
      'text: name of the encoder below a classifier; default: that of the classifier with -encoder',
    )
    .option(
      '--modality <kind>',
      'text or image: what the encoder reads; default: image where the folder says how to prepare images',
      oneOf(MODALITIES),
    )
    .option(
      '--layer <name>',
      'image: layer to cut at, as "espalier layers" lists them; default: what the last layer with weights reads',
    )
    .option(
      '--precision <list>',
      'graphs to write: int8, float32, float16, separated by commas; default: float32,int8; for images without --calibration or calibration.json float32',
      listOf(precisionSchema.options),
    )
    .option(
      '--calibration <path>',
      'to calibrate int8 on: a file of texts like yours, one a line, or a folder of images like yours; ' +
        'default: texts that ship, images that are drawn',
    )
    .option(
      '--pooling <kind>',
      "mean, cls or max: how the vectors of tokens become one; default: the folder's 1_Pooling",
      oneOf(POOLINGS),
    )
    .option(
      '--max-tokens <n>',
      "longest input in tokens; default: the folder's",
      wholeNumber(2, 32_768),
    )
    .option(
      '--prompt <name=text>',
      'text: a prompt, such as "query=query: ", beside those of the folder; may be repeated',
      namedTexts,
    )
    .option(
      '--headless',
      'text: leave out the output layer of a classifier or of a language model, and take the encoder alone',
    )
    .option(
      '--onnx <file>',
      'text: ONNX file of the folder to take; default: model.safetensors, else onnx/model.onnx',
    )
    .option(
      '--keep-tokens <file>',
      'text: tokens that stay in the vocabulary, one a line as it spells them, beside special tokens and single ' +
        'characters; default: all',
    )
    .option(
      '--allow-regex',
      'text: take the regular expressions of tokenizer.json as they are, also those that can hang on some texts',
    )
    .option(
      '--publish',
      'publish it as a version of the registry under its name; of a classifier both',
    )
    .option('--promote', 'with --publish: make it the champion')
    .option(
      '--idempotency-key <key>',
      'with --publish: publishing again with this key gives the same version',
    )
    .option('--by <who>', 'with --publish: who does it, for its card and the history')
    .option('--reason <text>', 'with --promote: why, for the history')
    .option('--json', 'print the manifest')
    .option('-q, --quiet', 'no progress on stderr')
}
