import { listFigures, listTiles } from '../figures.ts'
import { formatBytes, formatCount, formatNumber, formatPercent } from '../format.ts'
import { element, type Markup } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { markdownTable } from './markdown.ts'
import type { ReportSection } from './section.ts'

/** Why no threshold can be told that 95 % of ordinary rows pass. */
const REASONS = {
  'few-rows':
    'none: it takes 19 training rows that can be held out, each with another of its class',
  'equal-rows': 'none: the rows of a class do not differ',
} as const
/** Reports of earlier releases do not say why; fewer training rows never sufficed. */
const LEAST_ROWS = 19

/** The numbers that most readers came for. */
export const resultsSection: ReportSection = { html: renderTiles, markdown: showResults }

function reasonOf({ noThreshold, split }: TrainingReport): string | null {
  if (noThreshold !== undefined) return REASONS[noThreshold]
  return split.trainRows < LEAST_ROWS ? REASONS['few-rows'] : null
}

function renderTiles(report: TrainingReport): Markup {
  const { outOfDistribution, sizes } = report
  const reason = reasonOf(report)
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
  } else if (reason !== null) tiles.push(tile('Kept as in scope', '–', reason))
  const memory = sizes.neighbourRows > 0 ? `${formatCount(sizes.neighbourRows)} neighbours` : ''
  tiles.push(tile('Head', formatBytes(sizes.headBytes), memory))
  return element('dl', { class: 'tiles' }, tiles)
}

function showResults(report: TrainingReport): string {
  const { outOfDistribution, sizes } = report
  const reason = reasonOf(report)
  const rows: string[][] = listFigures(report).map((row) => [...row])
  if (outOfDistribution !== null) {
    const { threshold, keepRate } = outOfDistribution
    rows.push([
      'Out-of-distribution threshold',
      `${formatNumber(threshold)}, keeps ${formatPercent(keepRate)}`,
    ])
  } else if (reason !== null) rows.push(['Out-of-distribution threshold', reason])
  rows.push(['Head', formatBytes(sizes.headBytes)])
  return `## Result\n\n${markdownTable(['Result', 'Value'], rows)}`
}
