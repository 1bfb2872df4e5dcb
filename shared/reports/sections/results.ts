import { listFigures, listTiles } from '../figures.ts'
import { formatBytes, formatCount, formatNumber, formatPercent } from '../format.ts'
import { element, type Markup } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { markdownTable } from './markdown.ts'
import type { ReportSection } from './section.ts'

/** Fewer training rows give no threshold that 95 % of ordinary rows pass. */
const LEAST_ROWS = 19
const TOO_FEW = `none: it takes ${LEAST_ROWS} training rows that can be held out`

/** The numbers that most readers came for. */
export const resultsSection: ReportSection = { html: renderTiles, markdown: showResults }

function isTooSmall({ split }: TrainingReport): boolean {
  return split.trainRows < LEAST_ROWS
}

function renderTiles(report: TrainingReport): Markup {
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
  } else if (isTooSmall(report)) tiles.push(tile('Kept as in scope', '–', TOO_FEW))
  const memory = sizes.neighbourRows > 0 ? `${formatCount(sizes.neighbourRows)} neighbours` : ''
  tiles.push(tile('Head', formatBytes(sizes.headBytes), memory))
  return element('dl', { class: 'tiles' }, tiles)
}

function showResults(report: TrainingReport): string {
  const { outOfDistribution, sizes } = report
  const rows: string[][] = listFigures(report).map((row) => [...row])
  if (outOfDistribution !== null) {
    const { threshold, keepRate } = outOfDistribution
    rows.push([
      'Out-of-distribution threshold',
      `${formatNumber(threshold)}, keeps ${formatPercent(keepRate)}`,
    ])
  } else if (isTooSmall(report)) rows.push(['Out-of-distribution threshold', TOO_FEW])
  rows.push(['Head', formatBytes(sizes.headBytes)])
  return `## Result\n\n${markdownTable(['Result', 'Value'], rows)}`
}
