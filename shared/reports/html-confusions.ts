import { formatCount, formatCounted, shorten } from './format.ts'
import { section, tableFallback } from './html-results.ts'
import { type Child, element, type Markup } from './markup.ts'
import { drawMatrix } from './matrix-chart.ts'
import { layoutMatrix } from './matrix-layout.ts'
import type { ReportTest, ReportWorstConfusion } from './types.ts'

/** So many labels get names in one matrix; so many are drawn at all. */
const MAX_NAMED = 80
const MAX_DRAWN = 250
const WORST = 36
const MAX_WORST_CONFUSIONS = 20
const MAX_EXAMPLES = 3
const MAX_TABLE_ROWS = 200
const MAX_LABEL = 80
const MAX_TEXT = 200

/** Confusion matrix and worst confusions; null where there are none (several labels per text). */
export function renderConfusions(labels: readonly string[], test: ReportTest): Markup | null {
  if (test.confusions.length === 0 && test.worstConfusions.length === 0) return null
  const figures: Child[] = []
  if (test.confusions.length > 0) {
    if (labels.length <= MAX_DRAWN) {
      const named = labels.length <= MAX_NAMED
      figures.push(
        drawFigure('matrix', labels, test, labels.length, named, tellOrder(labels.length)),
      )
    }
    if (labels.length > MAX_NAMED) {
      const caption = `The labels of the most frequent confusions; all others are gathered at the end.`
      figures.push(drawFigure('worst', labels, test, WORST, true, caption))
    }
    figures.push(listConfusions(labels, test))
  }
  const worst = test.worstConfusions.slice(0, MAX_WORST_CONFUSIONS)
  return section(
    'Confusions',
    figures,
    worst.length === 0
      ? null
      : [
          element('h3', {}, 'Most frequent'),
          element(
            'ul',
            { class: 'confusions' },
            worst.map((entry) => renderWorst(entry)),
          ),
        ],
  )
}

function drawFigure(
  id: string,
  labels: readonly string[],
  test: ReportTest,
  limit: number,
  named: boolean,
  caption: string,
): Markup {
  const layout = layoutMatrix(labels.length, test.confusions, limit)
  const missing =
    layout.dropped > 0 ? ` ${formatCounted(layout.dropped, 'small cell')} not drawn.` : ''
  return element(
    'figure',
    layout.classes.length > 14 && named ? { class: 'wide' } : {},
    element('figcaption', {}, caption + missing),
    drawMatrix(id, labels, layout, named),
  )
}

function tellOrder(labels: number): string {
  const meaning = 'Green: right, orange: wrong, as a share of the row.'
  return labels > 12 ? `${meaning} Labels that are confused stand side by side.` : meaning
}

function listConfusions(labels: readonly string[], { confusions }: ReportTest): Markup {
  const errors = confusions
    .filter(({ actual, predicted, count }) => actual !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
  const name = (index: number): string => shorten(labels[index] ?? '?', MAX_LABEL)
  const rows = errors
    .slice(0, MAX_TABLE_ROWS)
    .map(({ actual, predicted, count }) => [name(actual), name(predicted), formatCount(count)])
  const left = errors.length - rows.length
  const summary = left > 0 ? `, the ${MAX_TABLE_ROWS} most frequent` : ''
  return tableFallback(
    `Confusions as a table${summary}`,
    ['True label', 'Predicted', 'Rows'],
    rows,
    2,
  )
}

function renderWorst({ actual, predicted, count, examples }: ReportWorstConfusion): Markup {
  const label = (text: string): Markup => element('code', {}, shorten(text, MAX_LABEL))
  return element(
    'li',
    {},
    label(actual),
    ' taken for ',
    label(predicted),
    `: ${formatCounted(count, 'row')}`,
    examples
      .slice(0, MAX_EXAMPLES)
      .map((text) => element('p', { class: 'soft' }, element('bdi', {}, shorten(text, MAX_TEXT)))),
  )
}
