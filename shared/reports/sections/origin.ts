import { drawBars } from '../charts/bar-chart.ts'
import { escapeMarkdown, toCodeSpan, toFence, toPlainLine } from '../escape.ts'
import { formatCount, formatCounted, formatDuration, shorten } from '../format.ts'
import { element, type Markup } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { markdownTable } from './markdown.ts'
import { card, type ReportSection } from './section.ts'

const MAX_TIMINGS = 20
const MAX_COMMAND = 4_000
const MAX_TEXT = 120

/** Where the version comes from: data, encoder, times, the command. */
export const originSection: ReportSection = { html: renderOrigin, markdown: showOrigin }

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
    ...listPeriods(split),
    ['Encoder', `${encoder.model}, ${encoder.precision}`],
    ['Family', encoder.family],
    ['Fingerprint', encoder.fingerprint],
    ['Seed', String(seed)],
  ]
  return card(
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

/** The cut and the periods of a split by time. */
function listPeriods({ periods }: TrainingReport['split']): [string, string][] {
  if (periods === undefined) return []
  const { column, cut, train, test } = periods
  return [
    ['Cut', `${cut} by "${shorten(column, MAX_TEXT)}"`],
    ['Period of training', `${train.from} to ${train.to}`],
    ['Period of the test', `${test.from} to ${test.to}`],
  ]
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

function showOrigin(report: TrainingReport): string {
  const { dataset, split, encoder, timings, seed, command, sizes } = report
  const rows = [
    [
      'Data',
      `${toCodeSpan(shorten(dataset.source, MAX_TEXT))}, ${formatCount(dataset.examples)} examples of ` +
        `${formatCount(dataset.rows)} rows`,
    ],
    ['Data sha256', toCodeSpan(dataset.sha256)],
    ['Training rows', formatCount(split.trainRows)],
    ...listPeriods(split).map(([item, value]) => [item, toCodeSpan(value)]),
    ['Neighbour memory', `${formatCount(sizes.neighbourRows)} rows`],
    ['Encoder family', toCodeSpan(encoder.family)],
    ['Encoder fingerprint', toCodeSpan(encoder.fingerprint)],
    ['Seed', String(seed)],
    ...timings.map(({ stage, milliseconds }) => [
      `Time: ${escapeMarkdown(stage)}`,
      formatDuration(milliseconds),
    ]),
  ]
  if (split.source !== null) rows.splice(2, 0, ['Test file', toCodeSpan(split.source)])
  return `## Origin\n\n${markdownTable(['Item', 'Value'], rows)}\n\n${toFence(command)}`
}
