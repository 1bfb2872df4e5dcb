import type { Command } from 'commander'
import { DEFAULT_BATCH_ROWS } from '../../../../shared/jobs/rows/job-inputs.ts'
import { addInputOptions, type InputOptions } from '../../options/input.ts'
import { addMainEncoderOptions, type EncoderOptions } from '../../options/job-parts.ts'
import { nameList, oneOf, wholeNumber } from '../../options/parsers.ts'
import { addTextReadingOptions, type TextReadingOptions } from '../../options/text-reading.ts'

const OUTPUT_FORMATS = ['jsonl', 'npy'] as const

/** The options of `espalier embed`. */
export interface EmbedOptions extends InputOptions, EncoderOptions, TextReadingOptions {
  readonly skipEmpty?: boolean
  readonly output?: string
  readonly to?: (typeof OUTPUT_FORMATS)[number]
  readonly keep?: readonly string[]
  readonly text: boolean
  readonly prompt?: string
  readonly truncate: boolean
  readonly normalize: boolean
  readonly batch: number
  readonly quiet?: boolean
}

/** Adds the options of `EmbedOptions`. */
export function addEmbedOptions(command: Command): Command {
  addInputOptions(command)
    .option('--skip-empty', 'leave out rows with an empty text instead of stopping')
    .option(
      '-o, --output <file>',
      'write here instead of stdout; the file appears when it is whole',
    )
    .option(
      '--to <format>',
      `${OUTPUT_FORMATS.join(' or ')}; default: by the output's extension`,
      oneOf(OUTPUT_FORMATS),
    )
    .option(
      '--keep <columns>',
      'copy these columns into each JSON line, separated by commas',
      nameList,
    )
    .option('--no-text', 'leave the text out of the JSON lines')
  addTextReadingOptions(command, 'right')
  return addMainEncoderOptions(command)
    .option(
      '--prompt <name>',
      "prompt of the encoder put before each text; default: the encoder's own",
    )
    .option('--no-truncate', 'stop at a text that is too long instead of cutting it')
    .option('--no-normalize', 'vectors as pooled, not scaled to length 1')
    .option(
      '--batch <rows>',
      'rows handed to the encoder at a time',
      wholeNumber(1, 65_536),
      DEFAULT_BATCH_ROWS,
    )
    .option('-q, --quiet', 'no progress and no summary on stderr')
}
