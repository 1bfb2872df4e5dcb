import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { addInputOptions } from '../../options/input.ts'
import { addEncoderOptions } from '../../options/job-parts.ts'
import { nameList, wholeNumber } from '../../options/parsers.ts'
import { addTextReadingOptions } from '../../options/text-reading.ts'
import { type CompareOptions, compareOnFile } from './run.ts'

/** `espalier compare intent v7 v9 FILE` */
export function addCompareCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('compare')
    .summary('put the same texts or images to two versions of a classifier')
    .description(
      'Put the same texts or images to two versions of a classifier: where they agree, how far scores move, ' +
        'which is right.',
    )
    .argument('<model>', 'the name of the classifier')
    .argument('<before>', 'a version or an alias: v7, champion')
    .argument('<after>', 'another one')
    .argument(
      '<data>',
      'inputs, with or without labels: the file, a folder of images, or - for stdin',
    )
  addInputOptions(command)
    .option(
      '--label-column <name>',
      'column of the labels; default: label, category, … where there is one',
    )
    .option(
      '--label-columns <names>',
      'a column for each label, separated by commas, with 1 where a row has the label',
      nameList,
    )
    .option('--label-separator <text>', 'splits a cell into several labels, such as "sport;news"')
    .option('--top <n>', 'disagreements to list, the surest first', wholeNumber(0, 100_000), 10)
  addTextReadingOptions(command, 'that of each version')
  addEncoderOptions(command)
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier compare intent v7 v9 test.csv
  espalier compare intent champion challenger questions.txt --top 50 --json
  espalier compare pets v1 v2 pets-test/`,
    )
    .action((model: string, before: string, after: string, data: string, options: CompareOptions) =>
      compareOnFile(context, { model, before, after, data }, options),
    )
}
