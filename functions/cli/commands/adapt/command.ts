import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { type AdaptOptions, addAdaptOptions } from './options.ts'
import { adaptFiles } from './run.ts'

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
  addAdaptOptions(command)
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
