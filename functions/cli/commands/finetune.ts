import type { Command } from 'commander'
import { LOSS_NAMES } from '../../../shared/jobs/finetune/request.ts'
import { precisionSchema } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { METHODS } from '../../../shared/training/catalogue/methods.ts'
import type { CommandContext } from '../context.ts'
import { type FineTuneOptions, fineTuneFile } from '../finetune-file.ts'
import { addLabelledOptions } from '../labelled-input.ts'
import {
  byteCount,
  decimalBetween,
  duration,
  numberBetween,
  oneOf,
  wholeNumber,
} from '../options.ts'

/** `espalier finetune DATA --name intent` */
export function addFineTuneCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('finetune')
    .summary('train the encoder itself, and a classifier on it')
    .description(
      'Train an encoder on the labelled texts of a CSV, TSV or JSONL file, or on images (a folder with a folder for ' +
        'each label, or a file with a column of paths), with a classifier on it, and publish both as new versions. ' +
        'The report compares them with a classifier on the encoder as it was, on the same test rows.',
    )
    .argument('<data>', 'the file, a folder of images, or - for stdin')
    .requiredOption('--name <name>', 'name of the classifier')
    .option(
      '--base <encoder>',
      'encoder to start from: a built-in one, a Hugging Face folder, or that of an image network; default: ' +
        'ESPALIER_ENCODER, for images efficientnet-lite0',
    )
    .option(
      '--encoder-name <name>',
      'name of the tuned encoder; default: that of --name, with -encoder',
    )
  addTrainingOptions(command)
  addLabelledOptions(command)
  addJudgingOptions(command)
    .option('--promote', 'make both champions, if they clearly beat the frozen encoder')
    .option('--force', 'with --promote: also if they do not')
    .option(
      '--idempotency-key <key>',
      'fine-tuning the same again with this key gives the same versions',
    )
    .option('--by <who>', 'who trains it, for the cards and the history')
    .option('--reason <text>', 'why it is promoted, for the history')
    .option('--description <text>', 'what the classifier is, for its card')
    .option('--output <folder>', 'keep the tuned weights here, as a Hugging Face folder')
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
Ctrl-C while the encoder trains ends the training, not the command: the best weights so far are judged and published
(exit code 0). Before and after that, and a second time, it ends the command, and nothing is published.

Examples:
  espalier finetune questions.csv --name question --promote
  espalier finetune train.jsonl --test test.jsonl --name intent --base all-MiniLM-L6-v2 --layers 2 --budget 60s
  espalier finetune pets/ --name pets --layers 3     (pets/cat/1.jpg, pets/dog/7.png, …)
  espalier finetune few.csv --name topic --loss contrastive --report ./report --dry-run`,
    )
    .action((data: string, options: FineTuneOptions) => fineTuneFile(context, data, options))
}

function addTrainingOptions(command: Command): Command {
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
      'share of the tuned weights in the mix with those of the base, or auto: chosen on rows not learnt; ' +
        'default: auto where rows are few, else 1',
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

function addJudgingOptions(command: Command): Command {
  return command
    .option('--test <file>', 'test rows of their own; otherwise some of DATA are held out')
    .option(
      '--test-fraction <share>',
      'share of each class that is held out for the test',
      numberBetween(0, 0.9),
      0.2,
    )
    .option(
      '--validation-fraction <share>',
      'share of each class of the other rows that decides which weights are kept, from 200 rows on (contrastive: 1,000)',
      numberBetween(0, 0.5),
      0.1,
    )
    .option(
      '--method <method>',
      `how the classifiers are fitted: ${METHODS.join(', ')}`,
      oneOf(METHODS),
      'auto',
    )
    .option('--seed <n>', 'seed of every random choice', wholeNumber(0, 2 ** 31 - 1), 42)
    .option('--folds <n>', 'parts of the cross-validation', wholeNumber(2, 20), 5)
    .option('--balance', 'let rare labels count as much as frequent ones')
    .option('--no-memory', 'keep no training embeddings for votes of neighbours: a smaller head')
    .option(
      '--precision <precision>',
      'precision that is served: int8, float32 or float16; default: ESPALIER_PRECISION',
      oneOf(precisionSchema.options),
    )
}
