import { formatCount, formatCounted, formatNumber, formatPercent, shorten } from './format.ts'
import { element, type Markup } from './markup.ts'
import { renderPage } from './page.ts'
import { card, scrollTable } from './sections/section.ts'

/** What an audit found, as plain values. */
export interface AuditFindings {
  readonly dataset: {
    readonly source: string
    readonly multiLabel: boolean
    readonly classCounts: readonly { readonly label: string; readonly count: number }[]
    readonly warnings: readonly { readonly code: string; readonly message: string }[]
  }
  readonly rows: number
  readonly noise: number
  readonly judged: number
  readonly agreement: number
  readonly found: readonly AuditFinding[]
  readonly inseparable: readonly {
    readonly labels: readonly [string, string]
    readonly rows: number
    readonly right: number
  }[]
}

interface AuditFinding {
  readonly place: string
  readonly kind: 'label' | 'conflict' | 'copy' | 'outlier'
  readonly label: string | null
  readonly suggestion: string | null
  readonly score: number
  readonly nearest: readonly string[]
  readonly text: string
}

type Kind = AuditFinding['kind']

/** Rows that a table shows: a page of an audit of a million rows stays below some hundred kilobytes. */
const SHOWN = 100
const MAX_NEAREST = 5
const MAX_LABEL = 60
const MAX_PLACE = 80
const MAX_TEXT = 200
const MAX_MESSAGE = 600
const UNEVEN = 20

const TITLES: Readonly<Record<Kind, string>> = {
  label: 'Labels in doubt',
  conflict: 'Near-duplicates with another label',
  copy: 'Near-duplicates with the same label',
  outlier: 'Rows unlike all others',
}
const EXPLAINED: Readonly<Record<Kind, string>> = {
  label:
    'Labels that contradict fits that had not seen the row (confident learning), the most likely wrong first.',
  conflict:
    'Rows that say the same and are labelled differently: one of the two is wrong, or the labels overlap.',
  copy: 'Rows that say the same. Splits keep them on one side.',
  outlier: 'Rows far from their nearest ones: noise, another language, or a topic with few rows.',
}

/** The findings of an audit as one HTML file; texts of the rows stand in it only where they may be quoted. */
export function renderAuditPage(
  findings: AuditFindings,
  { quotes }: { readonly quotes: boolean },
): string {
  const { dataset, rows } = findings
  const { source, classCounts, multiLabel } = dataset
  const several = multiLabel ? ', several per row' : ''
  return renderPage({
    title: `${shorten(source, MAX_PLACE)}: audit`,
    heading: shorten(source, MAX_PLACE),
    told: `Audit of ${formatCounted(rows, 'row')} with ${formatCounted(classCounts.length, 'label')}${several}`,
    content: [
      renderTiles(findings),
      renderWarnings(findings),
      renderFound(findings, 'label', quotes),
      renderPairs(findings),
      renderFound(findings, 'conflict', quotes),
      renderFound(findings, 'copy', quotes),
      renderFound(findings, 'outlier', quotes),
      renderCounts(findings),
    ],
  })
}

function ofKind({ found }: AuditFindings, kind: Kind): readonly AuditFinding[] {
  return found.filter((each) => each.kind === kind)
}

function renderTiles(findings: AuditFindings): Markup {
  const { agreement, judged, noise } = findings
  const count = (kind: Kind) => formatCount(ofKind(findings, kind).length)
  const decisions = findings.dataset.multiLabel ? 'of a row and a label each' : 'of all labels'
  const tiles = [
    ['Labels in doubt', count('label'), 'one by one below'],
    ['Likely wrong', noise > 0 ? formatPercent(noise) : 'no sign', decisions],
    [
      'Labels found again',
      formatPercent(agreement),
      `of ${formatCounted(judged, 'row')}, held out`,
    ],
    ['Conflicts', count('conflict'), 'same row, another label'],
    ['Copies', count('copy'), 'same row, same label'],
    ['Outliers', count('outlier'), 'unlike all others'],
    ['Pairs', formatCount(findings.inseparable.length), 'that cannot be told apart'],
  ] as const
  return element(
    'dl',
    { class: 'tiles' },
    tiles.map(([term, value, note]) =>
      element(
        'div',
        {},
        element('dt', {}, term),
        element('dd', {}, value),
        element('dd', { class: 'note' }, note),
      ),
    ),
  )
}

function renderWarnings({ dataset }: AuditFindings): Markup | null {
  // Repeated rows are findings, with sections of their own.
  const warnings = dataset.warnings.filter(
    ({ code }) => code !== 'duplicates' && code !== 'contradictions',
  )
  if (warnings.length === 0) return null
  const points = warnings.map(({ message }) => element('li', {}, shorten(message, MAX_MESSAGE)))
  return card('Read with care', element('ul', {}, points))
}

function renderFound(findings: AuditFindings, kind: Kind, quotes: boolean): Markup | null {
  const all = ofKind(findings, kind)
  if (all.length === 0) return null
  const shown = all.slice(0, SHOWN)
  const more = all.length > SHOWN ? ` The first ${SHOWN} of ${formatCount(all.length)}.` : ''
  const suggests = kind === 'label' || kind === 'conflict'
  const score = kind === 'label' ? 'Wrong with' : 'Cosine'
  const suggestion = kind === 'label' ? 'Likelier' : 'Label of the other'
  const header = ['Row', 'Label', ...(suggests ? [suggestion] : []), 'Nearest rows']
  const rows = shown.map((each) => [
    shorten(each.place, MAX_PLACE),
    shorten(each.label ?? '', MAX_LABEL),
    ...(suggests ? [shorten(each.suggestion ?? '', MAX_LABEL)] : []),
    each.nearest
      .slice(0, MAX_NEAREST)
      .map((place) => shorten(place, MAX_PLACE))
      .join(', '),
    ...(quotes ? [shorten(each.text, MAX_TEXT)] : []),
    kind === 'label' ? formatPercent(each.score) : formatNumber(each.score),
  ])
  const title = TITLES[kind]
  const columns = [...header, ...(quotes ? ['Text'] : []), score]
  const table = scrollTable(columns, rows, { firstNumeric: columns.length - 1, label: title })
  return card(title, element('p', {}, `${EXPLAINED[kind]}${more}`), table)
}

function renderPairs({ inseparable }: AuditFindings): Markup | null {
  if (inseparable.length === 0) return null
  const title = 'Labels that cannot be told apart'
  const rows = inseparable
    .slice(0, SHOWN)
    .map(({ labels: [first, second], rows, right }) => [
      shorten(first, MAX_LABEL),
      shorten(second, MAX_LABEL),
      formatCount(rows),
      formatPercent(right),
    ])
  const header = ['Label', 'Other label', 'Rows of both', 'Told apart rightly']
  const told =
    'Of the rows of both, the right one was the likelier not clearly more often than always naming the more frequent one.'
  return card(
    title,
    element('p', {}, told),
    scrollTable(header, rows, { firstNumeric: 2, label: title }),
  )
}

/** Labels by their rows: the rarest, and the most frequent where there are many. */
function renderCounts({ dataset }: AuditFindings): Markup {
  const counts = dataset.classCounts.toSorted((a, b) => a.count - b.count)
  const [least, most] = [counts[0], counts.at(-1)]
  const total = counts.reduce((sum, { count }) => sum + count, 0)
  const half = SHOWN / 2
  const shown = counts.length <= SHOWN ? counts : [...counts.slice(0, half), ...counts.slice(-half)]
  const told =
    least === undefined || most === undefined || most.count < UNEVEN * least.count
      ? 'The rarest first.'
      : `Uneven: ${shorten(most.label, MAX_LABEL)} has ${formatCounted(most.count, 'row')}, ` +
        `${shorten(least.label, MAX_LABEL)} ${formatCount(least.count)}. The rarest first.`
  const more =
    counts.length <= SHOWN ? '' : ` The ${half} rarest and the ${half} most frequent of all.`
  const rows = shown.map(({ label, count }) => [
    shorten(label, MAX_LABEL),
    formatCount(count),
    formatPercent(count / total),
  ])
  const table = scrollTable(['Label', 'Rows', 'Share'], rows, { label: 'Rows of each label' })
  return card('Rows of each label', element('p', {}, `${told}${more}`), table)
}
