import type {
  AuditedRow,
  AuditKind,
  AuditResult,
} from '../../../../shared/jobs/audit/audit-rows.ts'
import { formatCount, formatShare } from '../../output/number-format.ts'

/** Findings of each kind that a terminal shows. */
const SHOWN = 5
const SHOWN_PAIRS = 3
const MAX_TEXT = 80
const UNEVEN = 20

/** Rows of a kind. */
export function countFound({ found }: AuditResult, kind: AuditKind): number {
  return found.filter((row) => row.kind === kind).length
}

/** The findings in some twenty lines. */
export function formatAudit(
  result: AuditResult,
  options: {
    readonly output?: string | undefined
    readonly quotes: boolean
    readonly file: string
  },
): string {
  const { rows, judged, agreement, found } = result
  const { classCounts, multiLabel } = result.dataset
  const labels = formatCount(classCounts.length, 'label')
  const lines = [
    `${formatCount(rows, 'row')}, ${labels}; cross-validation gives ${formatShare(agreement)} of ` +
      `${formatCount(judged, 'row')} ${multiLabel ? 'all their labels' : 'their label'}`,
    tellLabels(result),
    ...show(result, 'label', options.quotes),
    `conflicts: ${countFound(result, 'conflict')}, nearly the same row with another label`,
    ...show(result, 'conflict', options.quotes),
    `copies: ${countFound(result, 'copy')}, nearly the same row with the same label`,
    `outliers: ${countFound(result, 'outlier')}, rows unlike all others`,
    ...tellPairs(result),
    ...tellCounts(result),
  ]
  if (options.output !== undefined) {
    lines.push(`${formatCount(found.length, 'finding')} in ${options.output}`)
  } else if (found.length > 0) {
    lines.push(`Next: espalier audit ${options.file} --output suspects.csv lists them all`)
  }
  return lines.join('\n')
}

function tellLabels(result: AuditResult): string {
  const count = countFound(result, 'label')
  if (result.noise > 0) {
    const share = formatShare(result.noise)
    const all = result.dataset.multiLabel ? 'all decisions, a row and a label each,' : 'all labels'
    return `labels in doubt: ${count}; about ${share} of ${all} are likely wrong`
  }
  return `labels in doubt: ${count}, no sign of more`
}

function show({ found }: AuditResult, kind: AuditKind, quotes: boolean): string[] {
  const rows = found.filter((row) => row.kind === kind).slice(0, SHOWN)
  return rows.map((row) => {
    const text = quotes ? `  ${JSON.stringify(row.text.slice(0, MAX_TEXT))}` : ''
    return kind === 'label'
      ? `  ${row.place}: ${tellDoubt(row)} (${formatShare(row.score)})${text}`
      : `  ${row.place}: ${row.label}, but ${row.nearest[0]}: ${row.suggestion}${text}`
  })
}

/** Of several labels one may be missing, or one too many. */
function tellDoubt({ label, suggestion }: AuditedRow): string {
  if (label === null) return `${suggestion} too`
  return suggestion === null ? `not ${label}` : `${suggestion}, not ${label}`
}

function tellPairs({ inseparable }: AuditResult): string[] {
  if (inseparable.length === 0) return []
  const named = inseparable
    .slice(0, SHOWN_PAIRS)
    .map(({ labels: [first, second], right, rows }) => {
      const share = formatShare(right)
      return `  ${first} and ${second}: ${share} of ${formatCount(rows, 'row')} told apart rightly`
    })
  const pairs = formatCount(inseparable.length, 'pair')
  return [`${pairs} of labels cannot be told apart better than by chance`, ...named]
}

function tellCounts({ smallest, largest, rare }: AuditResult): string[] {
  const lines: string[] = []
  if (rare.length > 0) {
    const names = rare.slice(0, SHOWN).map(({ label, count }) => `${label} ${count}`)
    const more = rare.length > SHOWN ? ', …' : ''
    lines.push(`labels of fewer than 8 rows: ${rare.length} (${names.join(', ')}${more})`)
  }
  if (largest.count >= UNEVEN * smallest.count) {
    lines.push(
      `uneven: ${largest.label} has ${largest.count} rows, ${smallest.label} ${smallest.count}`,
    )
  }
  return lines
}

const COLUMNS = ['line', 'kind', 'label', 'suggestion', 'score', 'nearest'] as const

/** The findings as CSV (RFC 4180); the line of an image is its path. */
export function formatCsv({ found }: AuditResult, quotes: boolean): string {
  const header = [...COLUMNS, ...(quotes ? ['text'] : [])]
  const lines = found.map((row) => [
    lineOf(row),
    ...[row.kind, row.label ?? '', row.suggestion ?? '', row.score.toFixed(4)],
    row.nearest.map((place) => place.replace(/^line /, '')).join(' '),
    ...(quotes ? [row.text] : []),
  ])
  return [header, ...lines].map((cells) => `${cells.map(quoteCell).join(',')}\r\n`).join('')
}

function lineOf({ line, place }: AuditedRow): string {
  return line === undefined ? place : String(line)
}

function quoteCell(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}
