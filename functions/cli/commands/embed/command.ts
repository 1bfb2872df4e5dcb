import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { addEmbedOptions, type EmbedOptions } from './options.ts'
import { embedFile } from './run.ts'

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
  addEmbedOptions(command)
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
