import type { Command } from 'commander'
import { listMethods } from '../../../../shared/training/catalogue/methods.ts'
import type { CommandContext } from '../../context.ts'
import { addRequired } from '../../options/declare.ts'
import { addTrainOptions, type TrainOptions } from './options.ts'
import { trainFile } from './run.ts'

/** `espalier train DATA --name intent` */
export function addTrainCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('train')
    .summary('train a classifier on labelled texts or images')
    .description(
      'Train a classifier on the labelled texts of a CSV, TSV or JSONL file, or on images: a folder with a ' +
        'folder for each label, or a file with a column of paths. Publish it as a new version.',
    )
    .argument('<data>', 'the file, s3://bucket/key, a folder of images, or - for stdin')
  addRequired(command, '--name <name>', 'name of the classifier')
  addTrainOptions(command)
    .addHelpText(
      'after',
      `
Methods:
${listMethods()}

Examples:
  espalier train intents.csv --name intent --promote
  espalier train train.jsonl --test test.jsonl --name topic --text-column body --label-column topic
  espalier train pets/ --name pets --promote     # pets/cat/1.jpg, pets/dog/7.png, …
  espalier train pets.csv --name pets --image-column photo --layer auto --report ./report
  espalier train tickets.csv --name tags --label-separator ";" --report ./report --dry-run`,
    )
    .action((data: string, options: TrainOptions) => trainFile(context, data, options))
}
