import type { Command } from 'commander'
import { listMethods, METHODS } from '../../../shared/training/catalogue/methods.ts'
import type { CommandContext } from '../context.ts'
import { addEncoderOptions } from '../job-parts.ts'
import { addLabelledOptions } from '../labelled-input.ts'
import { nameList, numberBetween, oneOf, wholeNumber } from '../options.ts'
import { type TrainOptions, trainFile } from '../train-file.ts'

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
    .requiredOption('--name <name>', 'name of the classifier')
  addLabelledOptions(command)
    .option('--test <file>', 'test rows of their own; otherwise some of DATA are held out')
    .option(
      '--test-fraction <share>',
      'share of each class that is held out for the test',
      numberBetween(0, 0.9),
      0.2,
    )
    .option(
      '--method <method>',
      `${METHODS.join(', ')}; auto chooses by cross-validation`,
      oneOf(METHODS),
      'auto',
    )
    .option('--seed <n>', 'seed of every random choice', wholeNumber(0, 2 ** 31 - 1), 42)
    .option('--folds <n>', 'parts of the cross-validation', wholeNumber(2, 20), 5)
    .option('--balance', 'let rare labels count as much as frequent ones')
    .option('--no-memory', 'keep no training embeddings for votes of neighbours: a smaller head')
  addEncoderOptions(command)
    .option(
      '--layer <name>',
      'images: layer of the encoder to train on, as "espalier layers" lists them',
    )
    .option(
      '--layers <names>',
      'images: layers to choose among by cross-validation and LogME, separated by commas; auto takes the last of each shape',
      nameList,
    )
    .option('--promote', 'make it the champion, unless it is worse than the present one')
    .option('--force', 'with --promote: also if it is worse')
    .option(
      '--idempotency-key <key>',
      'training the same again with this key gives the same version',
    )
    .option('--by <who>', 'who trains it, for its card and the history')
    .option('--reason <text>', 'why it is promoted, for the history')
    .option('--description <text>', 'what it is, for its card')
    .option('--report <folder>', 'write report.md, report.json and report.html here too')
    .option(
      '--quote-texts',
      'quote misclassified test texts in the report, which the version keeps',
    )
    .option('--no-thumbnails', 'show no misclassified test images in the report')
    .option('--dry-run', 'do everything but publish')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress and no warnings on stderr')
    .addHelpText(
      'after',
      `
Methods:
${listMethods()}

Examples:
  espalier train intents.csv --name intent --promote
  espalier train train.jsonl --test test.jsonl --name topic --text-column body --label-column topic
  espalier train pets/ --name pets --promote     (pets/cat/1.jpg, pets/dog/7.png, …)
  espalier train pets.csv --name pets --image-column photo --layers auto --report ./report
  espalier train tickets.csv --name tags --label-separator ";" --report ./report --dry-run`,
    )
    .action((data: string, options: TrainOptions) => trainFile(context, data, options))
}
