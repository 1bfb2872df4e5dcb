import type { Command } from 'commander'
import { ADAPT_METHODS } from '../../../shared/training/catalogue/adapt-methods.ts'
import { adaptFiles } from '../adapt-files.ts'
import type { AdaptOptions } from '../adapt-output.ts'
import type { CommandContext } from '../context.ts'
import { addInputOptions } from '../input.ts'
import { addEncoderOptions } from '../job-parts.ts'
import { numberBetween, oneOf, wholeNumber } from '../options.ts'

const SCALES = ['none', 'sum', 'length'] as const

/** `espalier adapt SOURCE TARGET --name topic` */
export function addAdaptCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('adapt')
    .summary('carry a classifier over to texts or features of another domain')
    .description(
      'Fit a classifier on a labelled source for a target of another domain that has no labels: EasyTL or ' +
        'CORAL, compared with each other and with no adaptation. Texts become a new version, as training ' +
        'does it; of features (.npy, .mat) the answers and the head are written to files.',
    )
    .argument('<source>', 'labelled rows: CSV, TSV, JSONL; or features: .npy, .mat')
    .argument('<target>', 'rows of the other domain, in the same kind of file')
    .option('--name <name>', 'name of the classifier; texts only, and needed there')
    .option('--method <method>', ADAPT_METHODS.join(', '), oneOf(ADAPT_METHODS), 'easytl')
    .option('--no-compare', 'fit the one method alone')
    .option('--ridge <number>', "CORAL's λ", numberBetween(0.000001, 1_000_000), 1)
    .option('--seed <n>', 'seed of every random choice', wholeNumber(0, 2 ** 31 - 1), 42)
    .option(
      '--target-labels <where>',
      'true labels of the target, to judge by and never to fit: a column; of features a variable or .npy file',
    )
    .option('--predictions <file>', 'write a JSON line for each row of the target')
  addInputOptions(command).option(
    '--label-column <name>',
    "column of the source's labels; default: label, category, intent, class, …",
  )
  addEncoderOptions(command)
    .option('--promote', 'make it the champion, unless it is worse than the present one')
    .option('--force', 'with --promote: also if it is worse')
    .option('--idempotency-key <key>', 'the same again with this key gives the same version')
    .option('--by <who>', 'who adapts it, for its card and the history')
    .option('--reason <text>', 'why it is promoted, for the history')
    .option('--description <text>', 'what it is, for its card')
    .option('--report <folder>', 'write report.md, report.json and report.html here too')
    .option('--quote-texts', 'quote misclassified texts of the target in the report')
    .option('--dry-run', 'do everything but publish')
    .option('--source-labels <where>', 'features: variable or .npy file; default in .mat: labels')
    .option('--features <variable>', 'features: variable of a .mat file; default: fts')
    .option('--scale <rule>', 'features: divide rows by their sum or length', oneOf(SCALES), 'none')
    .option('--export <file>', 'features: write the head as JSON')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress and no warnings on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier adapt bank.csv insurance.csv --name topic --promote
  espalier adapt reviews-books.csv reviews-kitchen.csv --name sentiment --target-labels label
  espalier adapt amazon.mat webcam.mat --scale sum --target-labels labels
  espalier adapt a.npy b.npy --source-labels a-labels.npy --predictions b.jsonl --export head.json`,
    )
    .action((source: string, target: string, options: AdaptOptions) =>
      adaptFiles(context, source, target, options),
    )
}
