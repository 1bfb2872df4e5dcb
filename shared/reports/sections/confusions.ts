import { drawMatrix } from '../charts/matrix-chart.ts'
import { layoutMatrix } from '../charts/matrix-layout.ts'
import { toCodeSpan } from '../escape.ts'
import { formatCount, formatCounted, shorten } from '../format.ts'
import { type Child, element, type Markup } from '../markup.ts'
import type { ReportTest, ReportWorstConfusion } from '../types.ts'
import { markdownLabel } from './markdown.ts'
import { card, codeLabel, type ReportSection, tableFallback } from './section.ts'

/** So many labels get names in one matrix; so many are drawn at all. */
const MAX_NAMED = 80
const MAX_DRAWN = 250
const WORST = 36
const MAX_WORST_CONFUSIONS = 20
const MAX_EXAMPLES = 3
const MAX_TABLE_ROWS = 200
const MAX_LABEL = 80
const MAX_TEXT = 200
/** The same in Markdown. */
const MAX_SHOWN = { confusions: 10, examples: 2, text: 120 } as const

/** Confusion matrix and worst confusions; none with several labels per text. */
export const confusionsSection: ReportSection = {
  html: ({ labels, test }) => test && renderConfusions(labels, withoutTold(test)),
  markdown: ({ test }) => test && showConfusions(withoutTold(test)),
}

/** Confusions that the section of pairs lists with their rows are told again with texts alone. */
function withoutTold(test: ReportTest): ReportTest {
  if ((test.confusedPairs ?? []).length === 0) return test
  const worstConfusions = test.worstConfusions.filter(({ examples }) => examples.length > 0)
  return { ...test, worstConfusions }
}

function renderConfusions(labels: readonly string[], test: ReportTest): Markup | null {
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
  return card(
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
  return element(
    'li',
    {},
    codeLabel(actual),
    ' taken for ',
    codeLabel(predicted),
    `: ${formatCounted(count, 'row')}`,
    examples
      .slice(0, MAX_EXAMPLES)
      .map((text) => element('p', { class: 'soft' }, element('bdi', {}, shorten(text, MAX_TEXT)))),
  )
}

function showConfusions({ worstConfusions, perClass }: ReportTest): string | null {
  if (worstConfusions.length === 0) return null
  const support = new Map(perClass.map((entry) => [entry.label, entry.support]))
  const lines = worstConfusions.slice(0, MAX_SHOWN.confusions).flatMap((confusion) => {
    const { actual, predicted, count, examples } = confusion
    const of = support.get(actual)
    const head =
      `- ${markdownLabel(actual)} taken for ${markdownLabel(predicted)}: ${formatCount(count)}` +
      (of === undefined ? '' : ` of ${formatCount(of)}`)
    const texts = examples
      .slice(0, MAX_SHOWN.examples)
      .map((text) => `  - ${toCodeSpan(shorten(text, MAX_SHOWN.text))}`)
    return [head, ...texts]
  })
  return `## Worst confusions\n\n${lines.join('\n')}`
}
