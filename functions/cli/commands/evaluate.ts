import type { Command } from 'commander'
import { findModality } from '../../../shared/dataset/texts.ts'
import type { EvaluateHeadResult } from '../../../shared/jobs/evaluate/evaluate-head.ts'
import { QUOTES } from '../../../shared/jobs/heads/request.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../context.ts'
import { openInput } from '../options/input.ts'
import { addEncoderOptions, type EncoderOptions, openHeadParts } from '../options/job-parts.ts'
import {
  addLabelledOptions,
  type LabelledInputOptions,
  labelledReading,
} from '../options/labelled-input.ts'
import {
  addTextReadingOptions,
  type TextReadingOptions,
  textReading,
} from '../options/text-reading.ts'
import { formatCount, formatShare } from '../output/number-format.ts'
import { noteReading } from '../output/progress.ts'
import { formatTable } from '../output/table.ts'

/** The options of `espalier evaluate`. */
interface EvaluateOptions extends LabelledInputOptions, EncoderOptions, TextReadingOptions {
  readonly quoteTexts?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

const SEED = 42
const MAX_LABELS = 20
const MAX_CONFUSIONS = 10

/** `espalier evaluate intent@v7 FILE` */
export function addEvaluateCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('evaluate')
    .summary('evaluate a classifier on labelled texts or images')
    .description(
      'Evaluate a version of a classifier on the labelled texts of a file, or on a folder of images.',
    )
    .argument('<model>', 'the classifier: name, name@alias or name@v7')
    .argument('<data>', 'the file, a folder of images, or - for stdin')
  addTextReadingOptions(addLabelledOptions(command), "the classifier's own")
  addEncoderOptions(command)
    .option('--quote-texts', 'quote misclassified texts')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress and no warnings on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier evaluate intent test.csv
  espalier evaluate pets pets-test/
  espalier evaluate intent@v7 test.jsonl --label-column topic --json`,
    )
    .action((model: string, data: string, options: EvaluateOptions) =>
      evaluateFile(context, model, data, options),
    )
}

/** Evaluates a version on the labelled rows of a file. */
async function evaluateFile(
  context: CommandContext,
  model: string,
  file: string,
  options: EvaluateOptions,
): Promise<void> {
  const { signal } = context
  const boot = await context.boot()
  const display = context.progress(options.quiet === true)
  try {
    const data = await openInput(context, file, options.format)
    const { evaluateHead } = await import('../../../shared/jobs/evaluate/evaluate-head.ts')
    const { recallColumns } = await import('../../../shared/versions/head-version.ts')
    const reading = {
      ...labelledReading(boot, options, { signal, onNote: noteReading(display) }),
      joinedColumns: await recallColumns(await boot.openRegistry(), model, signal),
    }
    const parts = await openHeadParts(
      boot,
      model,
      await findModality(data, reading),
      options,
      signal,
    )
    const result = await evaluateHead(parts, {
      model,
      data,
      reading,
      quotes: options.quoteTexts === true ? QUOTES : 0,
      seed: SEED,
      chooseReading: (own) => textReading(options, own),
      onProgress: display.report,
      signal,
    })
    display.stop()
    for (const { code, message } of result.dataset.warnings) {
      if (code !== 'single_example_classes') display.note(`warning: ${message}`)
    }
    if (options.json === true) {
      const { version, ...rest } = result
      const shown = { model: formatModelVersion(version), ...rest }
      return await context.print(JSON.stringify(shown, null, 2))
    }
    await context.print(formatResult(result))
  } finally {
    display.stop()
  }
}

function formatResult({ version, test, multiLabel, inDistribution }: EvaluateHeadResult): string {
  const { low, high } = test.interval ?? { low: null, high: null }
  const lines = [
    `${formatModelVersion(version)} on ${formatCount(test.rows, 'row')}: ` +
      `${multiLabel ? 'exact matches' : 'accuracy'} ${formatShare(test.accuracy)} ` +
      `(95 % interval ${formatShare(low)} to ${formatShare(high)}), macro-F1 ${formatShare(test.macroF1)}, ` +
      `ECE ${formatShare(test.ece)}`,
  ]
  if (inDistribution !== null) {
    lines.push(`${formatShare(inDistribution)} of the rows are like the training data`)
  }
  const labels = test.perClass
    .filter(({ support }) => support > 0)
    .sort((a, b) => (a.f1 ?? 2) - (b.f1 ?? 2) || b.support - a.support)
  const rows = labels
    .slice(0, MAX_LABELS)
    .map(({ label, precision, recall, f1, support }) => [
      label,
      ...[precision, recall, f1].map(formatShare),
      String(support),
    ])
  lines.push('', formatTable([['LABEL', 'PRECISION', 'RECALL', 'F1', 'ROWS'], ...rows]))
  if (labels.length > MAX_LABELS) lines.push(`… and ${labels.length - MAX_LABELS} better ones`)
  if (test.worstConfusions.length > 0) lines.push('')
  for (const confusion of test.worstConfusions.slice(0, MAX_CONFUSIONS)) {
    const { actual, predicted, count, examples } = confusion
    lines.push(`${actual} taken for ${predicted}: ${count}`)
    for (const text of examples) lines.push(`  ${JSON.stringify(text)}`)
  }
  return lines.join('\n')
}
