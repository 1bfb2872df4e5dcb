import type { Command } from 'commander'
import { DATA_FORMATS, type DataFormat } from '../../../shared/dataset/types.ts'
import type { DriftCheck } from '../../../shared/jobs/evaluate/check-drift.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../context.ts'
import { openInput } from '../options/input.ts'
import { oneOf } from '../options/parsers.ts'
import { formatCount, formatShare } from '../output/number-format.ts'
import { EXIT_FAILURE } from '../output/report-error.ts'
import { formatTable } from '../output/table.ts'

type DriftTest = NonNullable<DriftCheck['result']>['scores']

interface DriftFlags {
  readonly format?: DataFormat
  readonly failOnDrift?: boolean
  readonly json?: boolean
}

/** `espalier drift intent@v7 FILE` */
export function addDriftCommand(program: Command, context: CommandContext): void {
  program
    .command('drift')
    .summary('test whether answers in use are like those in training')
    .description(
      'Test whether the answers of a classifier in use are like those to rows that it has not learnt: its scores, the ' +
        'share of inputs like the training data, and the shares of its labels. Labels alone give no alarm. Answers that ' +
        'are as ever give a false one in at most one of 10,000 tests.',
    )
    .argument('<model>', 'the classifier: name, name@alias or name@v7')
    .argument('<answers>', 'predictions as JSON lines, the log of a server, or - for stdin')
    .option(
      '--format <format>',
      `${DATA_FORMATS.join(', ')}; default: by the file's extension`,
      oneOf(DATA_FORMATS),
    )
    .option('--fail-on-drift', 'end with code 1 where there is an alarm')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier drift intent@v7 predictions.jsonl
  espalier drift intent server.log --format jsonl --fail-on-drift
  espalier predict intent new.csv | espalier drift intent - --format jsonl`,
    )
    .action(async (model: string, file: string, flags: DriftFlags) => {
      const registry = await (await context.boot()).openRegistry()
      const data = await openInput(context, file, flags.format)
      const { checkDrift } = await import('../../../shared/jobs/evaluate/check-drift.ts')
      const check = await checkDrift(registry, { model, data, signal: context.signal })
      await context.print(flags.json === true ? toJson(check) : describe(check))
      if (flags.failOnDrift === true && check.result?.alarm === true) context.exitWith(EXIT_FAILURE)
    })
}

function toJson({ version, others, ...check }: DriftCheck): string {
  const passedOver = Object.fromEntries(others)
  return JSON.stringify({ model: formatModelVersion(version), ...check, passedOver }, null, 2)
}

function describe({ version, answers, result, needed, others }: DriftCheck): string {
  const name = formatModelVersion(version)
  const left = [...others.values()].reduce((sum, count) => sum + count, 0)
  const passed = left > 0 ? [`${formatCount(left, 'answer')} of other versions passed over`] : []
  const finds =
    needed === null
      ? 'its reference has too few rows to find a fall of like inputs by ten points'
      : `${needed} find a fall of like inputs by ten points nine times in ten`
  if (result === null) {
    const few = `${name}: ${formatCount(answers, 'answer')} cannot tell; give 100 at least (${finds})`
    return [few, ...passed].join('\n')
  }
  const verdict = result.alarm ? 'the inputs have drifted' : 'no drift that chance does not explain'
  const row = (what: string, test: DriftTest, show: (value: number) => string) => [
    what,
    ...(test.pValue === null
      ? ['–', '–', '–', 'not tested']
      : [
          ...[test.expected, test.observed].map(show),
          test.pValue < 1e-4 ? test.pValue.toExponential(0) : test.pValue.toFixed(4),
          test.drifted ? 'moved' : 'as before',
        ]),
  ]
  const lines = [
    `${name}: ${verdict}, in ${formatCount(answers, 'answer')} beside ${formatCount(result.rows, 'row')} (${finds})`,
    '',
    formatTable([
      ['', 'EXPECTED', 'OBSERVED', 'P', ''],
      row('mean score', result.scores, (value) => value.toFixed(3)),
      row('like the training data', result.inDistribution, formatShare),
      row('distance of the labels', result.labels, formatShare),
    ]),
  ]
  if (result.labels.drifted) {
    const moved = result.moved.map(
      ({ label, expected, observed }) =>
        `  ${label ?? 'no label'}: ${formatShare(expected)} → ${formatShare(observed)}`,
    )
    lines.push('', 'labels whose shares moved most:', ...moved)
  }
  return [...lines, ...(left > 0 ? ['', ...passed] : [])].join('\n')
}
