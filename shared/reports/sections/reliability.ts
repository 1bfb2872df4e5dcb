import { drawReliability } from '../charts/reliability-chart.ts'
import { formatCount, formatNumber, formatPercent } from '../format.ts'
import { element, type Markup } from '../markup.ts'
import type { ReportTest } from '../types.ts'
import { card, type ReportSection, tableFallback } from './section.ts'

/** The reliability diagram with its table. */
export const reliabilitySection: ReportSection = {
  half: true,
  html: ({ test }) => test && renderReliability(test),
  markdown: () => null,
}

function renderReliability({ reliability }: ReportTest): Markup | null {
  if (reliability.length === 0) return null
  const rows = reliability.map(({ low, high, count, confidence, accuracy }) => [
    `${formatNumber(low, 2)} to ${formatNumber(high, 2)}`,
    formatPercent(confidence),
    formatPercent(accuracy),
    formatCount(count),
  ])
  const header = ['Confidence', 'Mean', 'Accuracy', 'Rows']
  return card(
    'Reliability',
    element('figure', {}, drawReliability('reliability', reliability)),
    tableFallback('Reliability as a table', header, rows),
  )
}
