import type {
  ComparedVersion,
  CompareVersionsResult,
  Estimate,
} from '../../../../shared/jobs/evaluate/compare-versions.ts'
import { formatModelVersion } from '../../../../shared/lib/text/model-address.ts'
import { formatCount, formatShare } from '../../output/number-format.ts'
import { formatTable } from '../../output/table.ts'

const MAX_TEXT = 60

/** The result for `--json`. */
export function toJson({ before, after, ...rest }: CompareVersionsResult) {
  return { before: describeVersion(before), after: describeVersion(after), ...rest }
}

function describeVersion({ head, inDistribution, quality }: ComparedVersion) {
  return { model: formatModelVersion(head.version), inDistribution, quality }
}

/** The result for people: how often they agree, how good each is, and where they differ. */
export function formatResult(result: CompareVersionsResult): string {
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
