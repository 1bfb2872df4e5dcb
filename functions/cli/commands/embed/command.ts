import type { Command } from 'commander'
import { DEFAULT_BATCH_ROWS } from '../../../../shared/jobs/rows/job-inputs.ts'
import { precisionSchema } from '../../../../shared/lib/manifests/encoder-manifest.ts'
import type { CommandContext } from '../../context.ts'
import { addInputOptions } from '../../options/input.ts'
import { nameList, oneOf, wholeNumber } from '../../options/parsers.ts'
import { type EmbedOptions, embedFile, OUTPUT_FORMATS } from './run.ts'

/** `espalier embed FILE|-` */
export function addEmbedCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('embed')
    .summary('embed the texts of a file, or images')
    .description(
      'Embed the texts of a CSV, TSV, JSONL or plain text file, or of stdin, or the images of a folder or of a ' +
        'column of paths.',
    )
    .argument('<file>', 'the file, a folder of images, or - for stdin')
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
    .option('-m, --model <name>', 'encoder, by name or folder; default: ESPALIER_ENCODER')
    .option(
      '--precision <precision>',
      'int8, float32 or float16; default: ESPALIER_PRECISION',
      oneOf(precisionSchema.options),
    )
    .option('--workers <n>', 'worker threads; default: ESPALIER_WORKERS', wholeNumber(1, 256))
    .option(
      '--prompt <name>',
      "prompt of the encoder put before each text; default: the encoder's own",
    )
    .option('--no-truncate', 'stop at a text that is too long instead of cutting it')
    .option(
      '--truncation-direction <end>',
      'end that is cut away: left or right',
      oneOf(['left', 'right']),
      'right',
    )
    .option('--no-normalize', 'vectors as pooled, not scaled to length 1')
    .option(
      '--batch <rows>',
      'rows handed to the encoder at a time',
      wholeNumber(1, 65_536),
      DEFAULT_BATCH_ROWS,
    )
    .option('-q, --quiet', 'no progress and no summary on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier embed reviews.csv --text-column review --output reviews.jsonl
  espalier embed questions.jsonl --keep id --no-text > vectors.jsonl
  espalier embed images/ --output images.jsonl
  espalier embed texts.txt --output texts.npy
  echo "A cat sleeps." | espalier embed - --format txt`,
    )
    .action((file: string, options: EmbedOptions) => embedFile(context, file, options))
}
