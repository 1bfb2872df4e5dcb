import { readRowsToCompare } from '../../../../shared/dataset/rows-to-compare.ts'
import type {
  ComparedVersion,
  CompareVersionsResult,
  Estimate,
} from '../../../../shared/jobs/evaluate/compare-versions.ts'
import { formatModelVersion } from '../../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../../context.ts'
import { type InputOptions, openInput } from '../../options/input.ts'
import { type EncoderOptions, openHeadParts } from '../../options/job-parts.ts'
import { labelledReading } from '../../options/labelled-input.ts'
import { formatCount, formatShare } from '../../output/number-format.ts'
import { formatTable } from '../../output/table.ts'

/** The options of `espalier compare`. */
export interface CompareOptions extends InputOptions, EncoderOptions {
  readonly labelColumn?: string
  readonly labelSeparator?: string
  readonly top: number
  readonly json?: boolean
  readonly quiet?: boolean
}

const SEED = 42
const MAX_TEXT = 60

/** Compares two versions on the rows of a file. */
export async function compareOnFile(
  context: CommandContext,
  asked: { model: string; before: string; after: string; data: string },
  options: CompareOptions,
): Promise<void> {
  const { signal } = context
  const boot = await context.boot()
  const display = context.progress(options.quiet === true)
  try {
    const source = await openInput(context, asked.data, options.format)
    const data = await readRowsToCompare(source, labelledReading(boot, options, signal))
    const { compareVersions } = await import('../../../../shared/jobs/evaluate/compare-versions.ts')
    const [before, after] = [`${asked.model}@${asked.before}`, `${asked.model}@${asked.after}`]
    const parts = await openHeadParts(boot, before, data.modality, options, signal)
    const result = await compareVersions(parts, {
      before,
      after,
      data,
      source: source.name,
      top: options.top,
      seed: SEED,
      onProgress: display.report,
      signal,
    })
    display.stop()
    for (const { message } of result.warnings) display.note(`warning: ${message}`)
    await context.print(
      options.json === true ? JSON.stringify(toJson(result), null, 2) : formatResult(result),
    )
  } finally {
    display.stop()
  }
}

function toJson({ before, after, ...rest }: CompareVersionsResult) {
  return { before: describeVersion(before), after: describeVersion(after), ...rest }
}

function describeVersion({ head, inDistribution, quality }: ComparedVersion) {
  return { model: formatModelVersion(head.version), inDistribution, quality }
}

function formatResult(result: CompareVersionsResult): string {
  const { before, after, rows, agreed, difference } = result
  const [old, now] = [before, after].map(({ head }) => formatModelVersion(head.version))
  const lines = [
    `${old} and ${now} agree on ${agreed} of ${formatCount(rows, 'row')} (${formatShare(agreed / rows)}); ` +
      `scores move by ${formatPoints(result.meanShift)} on average, ${formatPoints(result.meanAbsoluteShift, false)} either way`,
  ]
  if (difference !== null) {
    lines.push(
      `accuracy ${formatPoints(difference.difference)} (95 % interval ${formatPoints(difference.low)} to ` +
        `${formatPoints(difference.high)}) on ${formatCount(result.labelledRows, 'row')} with labels`,
    )
  }
  const versions = [before, after].map((version) => {
    const { accuracy, macroF1 } = version.quality ?? {}
    return [
      formatModelVersion(version.head.version),
      formatEstimate(accuracy),
      formatEstimate(macroF1),
      formatShare(version.inDistribution),
    ]
  })
  lines.push(
    '',
    formatTable([['VERSION', 'ACCURACY', 'MACRO-F1', 'LIKE ITS TRAINING'], ...versions]),
  )
  if (result.changes.length > 0) lines.push('')
  for (const change of result.changes) {
    lines.push(`${change.before || 'no label'} → ${change.after || 'no label'}: ${change.rows}`)
  }
  if (result.disagreements.length === 0) return lines.join('\n')
  const isText = result.modality === 'text'
  const listed = result.disagreements.map(({ line, text, labels, before: a, after: b }) => [
    ...(isText ? [String(line)] : []),
    ...[a, b].map((said) => `${said.labels.join(', ') || '–'} ${said.score.toFixed(2)}`),
    ...(difference === null ? [] : [labels?.join(', ') ?? '–']),
    isText ? JSON.stringify(text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text) : text,
  ])
  const label = difference === null ? [] : ['LABEL']
  const heading = isText ? ['LINE', old!, now!, ...label, 'TEXT'] : [old!, now!, ...label, 'IMAGE']
  lines.push('', formatTable([heading, ...listed]))
  return lines.join('\n')
}

function formatEstimate(estimate: Estimate | undefined): string {
  if (!estimate) return '–'
  const { value, low, high } = estimate
  return `${formatShare(value)} (${formatShare(low)} to ${formatShare(high)})`
}

/** Percentage points: `+1.2`. */
function formatPoints(share: number, signed = true): string {
  const points = (share * 100).toFixed(1)
  return `${signed && share >= 0 ? '+' : ''}${points}`
}
