import { type Curve, drawCurves } from '../charts/curve-chart.ts'
import { escapeMarkdown } from '../escape.ts'
import {
  listFineTuning,
  tabulateContenders,
  tabulateCurve,
  tellRecommendation,
} from '../fine-tuning-text.ts'
import { formatNumber, formatPercent, shorten } from '../format.ts'
import { element, type Markup } from '../markup.ts'
import type { ReportFineTuning } from '../types.ts'
import { escapeCells, markdownTable } from './markdown.ts'
import { card, type ReportSection, scrollTable, tableFallback } from './section.ts'

const STYLES = { tuned: 'better', frozen: 'even', unknown: 'even' } as const
const MAX_VALUE = 600

/** Recommendation, comparison, curves and settings of a fine-tuning. */
export const fineTuningSection: ReportSection = {
  html: ({ fineTuning }) => (fineTuning ? renderFineTuning(fineTuning) : null),
  markdown: ({ fineTuning }) => (fineTuning ? showFineTuning(fineTuning) : null),
}

function renderFineTuning(report: ReportFineTuning): Markup {
  const [title, why] = tellRecommendation(report)
  const { header, rows } = tabulateContenders(report)
  return element(
    'div',
    {},
    element(
      'section',
      { class: STYLES[report.recommendation.promote] },
      element('p', {}, element('strong', {}, `${title}.`)),
      element('p', { class: 'soft' }, why),
      rows.length === 0 ? null : scrollTable(header, rows, { label: 'Comparison' }),
    ),
    renderCurves(report),
    card(
      'Fine-tuning',
      element(
        'dl',
        { class: 'facts' },
        listFineTuning(report).map(([term, value]) => [
          element('dt', {}, term),
          element('dd', {}, shorten(value, MAX_VALUE)),
        ]),
      ),
    ),
  )
}

function renderCurves(report: ReportFineTuning): Markup | null {
  const { curve } = report
  if (curve.length === 0) return null
  const along = (name: string, of: (point: (typeof curve)[number]) => number | null): Curve => ({
    name,
    points: curve.map((point) => ({ x: point.step, y: of(point) })),
  })
  const losses = [
    along('training loss', ({ trainLoss }) => trainLoss),
    along('validation loss', ({ validationLoss }) => validationLoss),
  ].filter(isKnown)
  const accuracies = [
    along('validation accuracy', ({ validationAccuracy }) => validationAccuracy),
  ].filter(isKnown)
  const { header, rows } = tabulateCurve(report)
  const figure = (id: string, title: string, curves: readonly Curve[]): Markup | null =>
    curves.length === 0
      ? null
      : element(
          'figure',
          {},
          element('figcaption', {}, title),
          drawCurves(
            {
              id,
              title,
              description: `${title} by step of training; the table below holds the numbers.`,
              xTitle: 'step',
              told: id === 'losses' ? (value) => formatNumber(value, 2) : tellShare,
            },
            curves,
          ),
        )
  return card(
    'Training curves',
    element(
      'div',
      { class: 'pair' },
      figure('losses', 'Loss in nats', losses),
      figure('accuracies', 'Accuracy on the validation rows', accuracies),
    ),
    tableFallback('Curves as a table', header, rows),
  )
}

function tellShare(value: number): string {
  return formatPercent(value, 0)
}

function isKnown({ points }: Curve): boolean {
  return points.some(({ y }) => y !== null && Number.isFinite(y))
}

function showFineTuning(report: ReportFineTuning): string {
  const [title, why] = tellRecommendation(report)
  const contenders = tabulateContenders(report)
  const curve = tabulateCurve(report)
  const facts = listFineTuning(report).map(([term, value]) => [
    escapeMarkdown(term),
    escapeMarkdown(shorten(value, MAX_VALUE)),
  ])
  const parts = [
    `## Fine-tuning\n\n**${title}.** ${escapeMarkdown(why)}`,
    ...(contenders.rows.length > 0
      ? [markdownTable(contenders.header, escapeCells(contenders.rows), [1, 2, 3, 4, 5])]
      : []),
    markdownTable(['Setting', 'Value'], facts),
    ...(curve.rows.length > 0 ? [markdownTable(curve.header, curve.rows, [0, 1, 2, 3, 4])] : []),
  ]
  return parts.join('\n\n')
}
