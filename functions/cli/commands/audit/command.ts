import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { type AuditOptions, addAuditOptions } from './options.ts'
import { auditFile } from './run.ts'

/** `espalier audit DATA --output suspects.csv` */
export function addAuditCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('audit')
    .summary('find wrong labels, conflicts, copies and outliers in labelled data')
    .description(
      'Audit labelled texts or images before training: labels that are likely wrong with the likelier one, ' +
        'conflicts, near copies, outliers, labels that cannot be told apart. Nothing is trained or published.',
    )
    .argument('<data>', 'the file, s3://bucket/key, a folder of images, or - for stdin')
  addAuditOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  espalier audit tickets.csv
  espalier audit tickets.csv --output suspects.csv --quote-texts
  espalier audit tickets.csv --html audit.html
  espalier audit tickets.csv --fail-above 0.02 --quiet`,
    )
    .action((data: string, options: AuditOptions) => auditFile(context, data, options))
}
