import { formatCounted, formatDate } from './format.ts'
import { element, type Markup } from './markup.ts'
import { renderPage } from './page.ts'
import { REPORT_SECTIONS } from './sections/list.ts'
import type { Thumbnails } from './sections/section.ts'
import type { TrainingReport } from './types.ts'

/** The report as one HTML file that needs nothing else. */
export function renderHtml(report: TrainingReport, thumbnails: Thumbnails = new Map()): string {
  const { name, published = name, created, encoder, labels, multiLabel } = report
  const several = multiLabel ? ', several per text' : ''
  return renderPage({
    title: `${published}: training report`,
    heading: published,
    told: `Trained ${formatDate(created)} on ${encoder.model} (${encoder.precision}) · ${formatCounted(labels.length, 'label')}${several}`,
    content: renderSections(report, thumbnails),
    styles: REPORT_SECTIONS.map(({ styles }) => styles?.(report) ?? ''),
    thumbnails,
  })
}

/** Two halves that follow each other stand side by side. */
function renderSections(report: TrainingReport, thumbnails: Thumbnails): Markup[] {
  const shown: Markup[] = []
  let waiting: Markup | null = null
  for (const { half, html } of REPORT_SECTIONS) {
    const section = html(report, thumbnails)
    if (section === null) continue
    const isHalf = typeof half === 'function' ? half(report) : half === true
    if (isHalf && waiting !== null) {
      shown.push(element('div', { class: 'pair' }, waiting, section))
      waiting = null
      continue
    }
    if (waiting !== null) shown.push(waiting)
    waiting = isHalf ? section : null
    if (!isHalf) shown.push(section)
  }
  return waiting === null ? shown : [...shown, waiting]
}
