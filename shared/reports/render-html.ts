import { createHash } from 'node:crypto'
import { formatCounted, formatDate } from './format.ts'
import { element, type Markup, raw } from './markup.ts'
import { REPORT_SECTIONS } from './sections/list.ts'
import type { Thumbnails } from './sections/section.ts'
import { STYLES } from './styles.ts'
import type { TrainingReport } from './types.ts'

/**
 * The report as one HTML file that needs nothing else: no script, no font, no image. Its own policy
 * forbids everything but its one style sheet, named by hash, and images inside the page where it has any, so
 * user text could do nothing even unescaped.
 */
export function renderHtml(report: TrainingReport, thumbnails: Thumbnails = new Map()): string {
  const own = REPORT_SECTIONS.map(({ styles }) => styles?.(report) ?? '')
  const styles = [STYLES, ...own.filter((rules) => rules !== '')].join('\n')
  const head = element(
    'head',
    {},
    element('meta', { charset: 'utf-8' }),
    element('meta', {
      'http-equiv': 'Content-Security-Policy',
      content: describePolicy(styles, thumbnails),
    }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('title', {}, `${report.published ?? report.name}: training report`),
    element('style', {}, raw(styles)),
  )
  const main = element('main', {}, renderHeader(report), renderSections(report, thumbnails))
  const page = element('html', { lang: 'en' }, head, element('body', {}, main))
  return `<!doctype html>\n${page.markup}\n`
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

function describePolicy(styles: string, thumbnails: Thumbnails): string {
  const hash = createHash('sha256').update(styles).digest('base64')
  const images = thumbnails.size > 0 ? ' img-src data:;' : ''
  return `default-src 'none'; style-src 'sha256-${hash}';${images} base-uri 'none'; form-action 'none'`
}

function renderHeader(report: TrainingReport): Markup {
  const { name, published = name, created, encoder, labels, multiLabel } = report
  const several = multiLabel ? ', several per text' : ''
  const told = `Trained ${formatDate(created)} on ${encoder.model} (${encoder.precision}) · ${formatCounted(labels.length, 'label')}${several}`
  return element('header', {}, element('h1', {}, published), element('p', { class: 'soft' }, told))
}
