import { formatCount, formatPercent, shorten } from '../format.ts'
import { element, type Markup } from '../markup.ts'
import { orderByF1 } from '../summary.ts'
import type { ReportClass, ReportTest } from '../types.ts'
import { markdownLabel, markdownTable } from './markdown.ts'
import { card, type ReportSection } from './section.ts'

const MAX_LABEL = 80
/** In Markdown. */
const MAX_CLASSES = 30

const ORDERS = [
  { key: 'f', title: 'F1' },
  { key: 'p', title: 'precision' },
  { key: 'r', title: 'recall' },
  { key: 's', title: 'test rows' },
  { key: 'l', title: 'label' },
] as const

/** Precision, recall and F1 by label, lowest F1 first; radio buttons change the order of the rows. */
export const labelsSection: ReportSection = {
  html: ({ test }) =>
    test && test.perClass.length > 0 ? card('Labels', renderTable(orderByF1(test.perClass))) : null,
  markdown: ({ test }) => test && showClasses(test),
  styles: ({ test }) => (test && test.perClass.length > 0 ? sortStyles(test.perClass) : ''),
}

/** The rules by which the table sorts without a script. */
function sortStyles(perClass: readonly ReportClass[]): string {
  const rows = orderByF1(perClass)
  const places = {
    p: rank(rows, (a, b) => compare(a.precision, b.precision)),
    r: rank(rows, (a, b) => compare(a.recall, b.recall)),
    s: rank(rows, (a, b) => b.support - a.support),
    l: rank(rows, (a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0)),
  }
  const rowStyles = rows.map((_, i) => {
    const { p, r, s, l } = places
    return `.k${i}{--p:${p[i]};--r:${r[i]};--s:${s[i]};--l:${l[i]}}`
  })
  const orderStyles = ORDERS.slice(1).map(
    ({ key }) => `#by-${key}:checked~.scroll tbody tr{order:var(--${key})}`,
  )
  return [...orderStyles, ...rowStyles].join('\n')
}

function renderTable(rows: readonly ReportClass[]): Markup {
  return element(
    'div',
    {},
    element('span', { class: 'soft' }, 'Order by '),
    ORDERS.map(({ key, title }, i) => [
      element('input', {
        type: 'radio',
        class: 'sort',
        name: 'order',
        id: `by-${key}`,
        checked: i === 0 ? 'checked' : null,
      }),
      element('label', { for: `by-${key}` }, title),
    ]),
    element(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Results by label' },
      // Roles are spelled out because a table that is laid out as a grid loses its own.
      element(
        'table',
        { class: 'labels', role: 'table' },
        element('thead', { role: 'rowgroup' }, renderHeader()),
        element(
          'tbody',
          { role: 'rowgroup' },
          rows.map((row, i) => renderRow(row, i)),
        ),
      ),
    ),
  )
}

function renderHeader(): Markup {
  const column = (title: string, kind: string | null): Markup =>
    element('th', { role: 'columnheader', scope: 'col', class: kind }, title)
  return element(
    'tr',
    { role: 'row' },
    column('Label', null),
    ['Precision', 'Recall', 'F1', 'Rows'].map((title) => column(title, 'n')),
  )
}

function renderRow({ label, precision, recall, f1, support }: ReportClass, i: number): Markup {
  const cell = (text: string): Markup => element('td', { role: 'cell', class: 'n' }, text)
  return element(
    'tr',
    { role: 'row', class: `k${i}` },
    element(
      'th',
      { role: 'rowheader', scope: 'row' },
      element('bdi', {}, shorten(label, MAX_LABEL)),
    ),
    cell(formatPercent(precision)),
    cell(formatPercent(recall)),
    cell(formatPercent(f1)),
    cell(formatCount(support)),
  )
}

/** The place of every row under another order. */
function rank(
  rows: readonly ReportClass[],
  order: (a: ReportClass, b: ReportClass) => number,
): Int32Array {
  const places = new Int32Array(rows.length)
  const indices = rows.map((_, i) => i)
  indices.sort((a, b) => order(rows[a]!, rows[b]!) || a - b)
  for (const [place, index] of indices.entries()) places[index] = place
  return places
}

function compare(a: number | null, b: number | null): number {
  return (a ?? 2) - (b ?? 2)
}

function showClasses({ perClass }: ReportTest): string | null {
  if (perClass.length === 0) return null
  const shown = orderByF1(perClass).slice(0, MAX_CLASSES)
  const rows = shown.map(({ label, precision, recall, f1, support }) => [
    markdownLabel(label),
    formatPercent(precision),
    formatPercent(recall),
    formatPercent(f1),
    formatCount(support),
  ])
  const table = markdownTable(
    ['Label', 'Precision', 'Recall', 'F1', 'Test rows'],
    rows,
    [1, 2, 3, 4],
  )
  const left = perClass.length - shown.length
  const title = left > 0 ? `the ${MAX_CLASSES} lowest of ${formatCount(perClass.length)}` : 'by F1'
  return `## Labels, ${title}\n\n${table}`
}
