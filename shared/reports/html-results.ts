import { adviseOn, describeWarnings } from './advice.ts'
import { type Bar, drawBars } from './bar-chart.ts'
import { listTiles, tabulateBaselines } from './figures.ts'
import {
  formatBytes,
  formatCount,
  formatNumber,
  formatParameter,
  formatPercent,
  shorten,
} from './format.ts'
import { type Child, element, type Markup } from './markup.ts'
import { drawReliability } from './reliability-chart.ts'
import { compareChampion, describeChampion } from './summary.ts'
import type { ReportTest, TrainingReport } from './types.ts'

const MAX_CANDIDATES = 24
const MAX_PARAMETERS = 12
const MAX_WARNINGS = 50
const MAX_TEXT = 600

/** A card with a heading. */
export function section(title: string, ...children: Child[]): Markup {
  return element('section', {}, element('h2', {}, title), ...children)
}

/** A plain table inside a closed `details`; columns after the first lean right. */
export function tableFallback(
  summary: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  firstNumeric = 1,
): Markup {
  const table = scrollTable(header, rows, { firstNumeric, label: summary })
  return element('details', {}, element('summary', {}, summary), table)
}

/** A plain table that scrolls where it is long; columns from `firstNumeric` on lean right. */
export function scrollTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { firstNumeric = 1, label }: { readonly firstNumeric?: number; readonly label: string },
): Markup {
  const kind = (i: number): string | null => (i >= firstNumeric ? 'n' : null)
  const heads = header.map((title, i) => element('th', { scope: 'col', class: kind(i) }, title))
  const cells = (row: readonly string[]) =>
    row.map((cell, i) => element('td', { class: kind(i) }, cell))
  return element(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    element(
      'table',
      {},
      element('thead', {}, element('tr', {}, heads)),
      element(
        'tbody',
        {},
        rows.map((row) => element('tr', {}, cells(row))),
      ),
    ),
  )
}

/** The numbers that most readers came for. */
export function renderTiles(report: TrainingReport): Markup {
  const { outOfDistribution, sizes } = report
  const tile = (term: string, value: string, note: string): Markup =>
    element(
      'div',
      {},
      element('dt', {}, term),
      element('dd', {}, value),
      element('dd', { class: 'note' }, note),
    )
  const tiles = listTiles(report).map(({ term, value, note }) => tile(term, value, note))
  if (outOfDistribution !== null) {
    const { threshold, keepRate } = outOfDistribution
    tiles.push(
      tile('Kept as in scope', formatPercent(keepRate), `threshold ${formatNumber(threshold)}`),
    )
  }
  const memory = sizes.neighbourRows > 0 ? `${formatCount(sizes.neighbourRows)} neighbours` : ''
  tiles.push(tile('Head', formatBytes(sizes.headBytes), memory))
  return element('dl', { class: 'tiles' }, tiles)
}

/** How the head compares with the present champion; null where there is none. */
export function renderChampion({ champion }: TrainingReport): Markup | null {
  if (champion === null) return null
  return element(
    'section',
    { class: compareChampion(champion) },
    element('p', {}, element('strong', {}, `${describeChampion(champion, champion.model)}.`)),
    element(
      'p',
      { class: 'soft' },
      `The champion has ${formatPercent(champion.accuracy)} accuracy and ${formatPercent(champion.macroF1)} macro-F1 there.`,
    ),
  )
}

/** What was odd about the data, then advice; null where there is nothing to say. */
export function renderNotes(report: TrainingReport): Markup | null {
  const warnings = describeWarnings(report.dataset)
  const lines = [
    ...warnings.slice(0, MAX_WARNINGS).map((line) => shorten(line, MAX_TEXT)),
    ...adviseOn(report),
  ]
  if (lines.length === 0) return null
  const items = lines.map((line) => element('li', {}, line))
  return section('Warnings and advice', element('ul', {}, items))
}

/** The head beside simpler answers on the same rows; null where there are none. */
export function renderBaselines(report: TrainingReport): Markup | null {
  const { header, rows } = tabulateBaselines(report)
  if (rows.length === 0) return null
  return section(
    'Beside simpler answers',
    scrollTable(header, rows, { label: 'The head beside simpler answers' }),
  )
}

/** The methods that were tried, as bars, with their parameters in a table. */
export function renderCandidates({ candidates, method }: TrainingReport): Markup {
  const bars = candidates.slice(0, MAX_CANDIDATES).map(
    ({ name, accuracy, nll }): Bar => ({
      name,
      value: accuracy,
      told: `${formatPercent(accuracy)} · NLL ${formatNumber(nll)}`,
      emphasised: name === method.name,
    }),
  )
  const frame = {
    id: 'candidates',
    title: 'Cross-validated accuracy by method',
    description: 'One bar per method that was tried; the chosen one is emphasised.',
  }
  const rows = candidates.map(({ name, accuracy, nll, parameters }) => [
    shorten(name, 80),
    Object.entries(parameters)
      .slice(0, MAX_PARAMETERS)
      .map(([key, value]) => `${shorten(key, 40)} ${shorten(formatParameter(value), 40)}`)
      .join(', '),
    formatPercent(accuracy),
    formatNumber(nll),
  ])
  const header = ['Method', 'Parameters', 'Accuracy', 'NLL']
  return section(
    'Method',
    element(
      'p',
      {},
      element('strong', {}, shorten(method.name, 80)),
      `: ${shorten(method.why, MAX_TEXT)}`,
    ),
    bars.length === 0
      ? null
      : [
          element('figure', {}, drawBars(frame, bars, 1)),
          tableFallback('Candidates as a table', header, rows, 2),
        ],
  )
}

/** The reliability diagram with its table. */
export function renderReliability({ reliability }: ReportTest): Markup | null {
  if (reliability.length === 0) return null
  const rows = reliability.map(({ low, high, count, confidence, accuracy }) => [
    `${formatNumber(low, 2)} to ${formatNumber(high, 2)}`,
    formatPercent(confidence),
    formatPercent(accuracy),
    formatCount(count),
  ])
  const header = ['Confidence', 'Mean', 'Accuracy', 'Rows']
  return section(
    'Reliability',
    element('figure', {}, drawReliability('reliability', reliability)),
    tableFallback('Reliability as a table', header, rows),
  )
}
