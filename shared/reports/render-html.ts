import { createHash } from 'node:crypto'
import { drawBars } from './bar-chart.ts'
import { toPlainLine } from './escape.ts'
import { formatCount, formatCounted, formatDate, formatDuration, shorten } from './format.ts'
import { renderConfusions } from './html-confusions.ts'
import { renderFineTuning } from './html-fine-tuning.ts'
import { renderLayers, renderMistakes, type Thumbnails } from './html-images.ts'
import {
  renderBaselines,
  renderCandidates,
  renderChampion,
  renderNotes,
  renderReliability,
  renderTiles,
  section,
} from './html-results.ts'
import { renderLabelTable } from './label-table.ts'
import { element, type Markup, raw } from './markup.ts'
import { STYLES } from './styles.ts'
import type { TrainingReport } from './types.ts'

const MAX_TIMINGS = 20
const MAX_COMMAND = 4_000

/**
 * The report as one HTML file that needs nothing else: no script, no font, no image. Its own policy
 * forbids everything but its one style sheet, named by hash, and images inside the page where it has any, so
 * user text could do nothing even unescaped.
 */
export function renderHtml(report: TrainingReport, thumbnails: Thumbnails = new Map()): string {
  const { test, name } = report
  const labels =
    test === null || test.perClass.length === 0 ? null : renderLabelTable(test.perClass)
  const styles = labels === null ? STYLES : `${STYLES}\n${labels.styles}`
  const head = element(
    'head',
    {},
    element('meta', { charset: 'utf-8' }),
    element('meta', {
      'http-equiv': 'Content-Security-Policy',
      content: describePolicy(styles, thumbnails),
    }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('title', {}, `${name}: training report`),
    element('style', {}, raw(styles)),
  )
  const main = element(
    'main',
    {},
    renderHeader(report),
    renderTiles(report),
    renderChampion(report),
    renderBaselines(report),
    renderFineTuning(report.fineTuning),
    renderNotes(report),
    renderLayers(report),
    element(
      'div',
      { class: 'pair' },
      renderCandidates(report),
      test === null ? null : renderReliability(test),
    ),
    test === null ? null : renderConfusions(report.labels, test),
    test === null ? null : renderMistakes(test.mistakes ?? [], thumbnails),
    labels === null ? null : section('Labels', labels.table),
    renderOrigin(report),
  )
  const page = element('html', { lang: 'en' }, head, element('body', {}, main))
  return `<!doctype html>\n${page.markup}\n`
}

function describePolicy(styles: string, thumbnails: Thumbnails): string {
  const hash = createHash('sha256').update(styles).digest('base64')
  const images = thumbnails.size > 0 ? ' img-src data:;' : ''
  return `default-src 'none'; style-src 'sha256-${hash}';${images} base-uri 'none'; form-action 'none'`
}

function renderHeader({ name, created, encoder, labels, multiLabel }: TrainingReport): Markup {
  const several = multiLabel ? ', several per text' : ''
  const told = `Trained ${formatDate(created)} on ${encoder.model} (${encoder.precision}) · ${formatCounted(labels.length, 'label')}${several}`
  return element('header', {}, element('h1', {}, name), element('p', { class: 'soft' }, told))
}

function renderOrigin(report: TrainingReport): Markup {
  const { dataset, split, encoder, seed, command } = report
  const facts: [string, string][] = [
    ['Data', shorten(dataset.source, 300)],
    ['Rows', `${formatCount(dataset.rows)}, ${formatCounted(dataset.examples, 'example')}`],
    ['Data sha256', dataset.sha256],
    ['Training rows', formatCount(split.trainRows)],
    ['Test rows', formatCount(split.testRows)],
    ...(split.source === null
      ? []
      : [['Test file', shorten(split.source, 300)] satisfies [string, string]]),
    ['Encoder', `${encoder.model}, ${encoder.precision}`],
    ['Family', encoder.family],
    ['Fingerprint', encoder.fingerprint],
    ['Seed', String(seed)],
  ]
  return section(
    'Origin',
    element(
      'dl',
      { class: 'facts' },
      facts.map(([term, value]) => [
        element('dt', {}, term),
        element('dd', {}, element('code', {}, value)),
      ]),
    ),
    renderTimings(report),
    element('pre', {}, shorten(toPlainLine(command), MAX_COMMAND)),
  )
}

function renderTimings({ timings }: TrainingReport): Markup | null {
  if (timings.length === 0) return null
  const bars = timings.slice(0, MAX_TIMINGS).map(({ stage, milliseconds }) => ({
    name: stage,
    value: milliseconds,
    told: formatDuration(milliseconds),
    emphasised: false,
  }))
  const longest = Math.max(...timings.map(({ milliseconds }) => milliseconds))
  const frame = {
    id: 'timings',
    title: 'Time by stage',
    description: bars.map(({ name, told }) => `${name} ${told}`).join(', '),
  }
  return element('figure', { class: 'timings' }, drawBars(frame, bars, longest))
}
