import { type Bar, drawBars } from '../charts/bar-chart.ts'
import { escapeMarkdown, toCodeSpan } from '../escape.ts'
import { formatNumber, formatParameter, formatPercent, shorten } from '../format.ts'
import { element, type Markup } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { markdownTable } from './markdown.ts'
import { card, type ReportSection, tableFallback } from './section.ts'

const MAX_CANDIDATES = 24
const MAX_PARAMETERS = 12
const MAX_TEXT = 600
const MAX_LABEL = 60

/** The methods that were tried, as bars, with their parameters in a table. */
export const candidatesSection: ReportSection = {
  half: true,
  html: renderCandidates,
  markdown: showCandidates,
}

function renderCandidates({ candidates, method }: TrainingReport): Markup {
  const bars = candidates.slice(0, MAX_CANDIDATES).map(
    ({ name, accuracy, nll }): Bar => ({
      name,
      value: accuracy,
      told: `${formatPercent(accuracy)} · NLL ${formatNumber(nll)}`,
      emphasised: name === method.name,
    }),
  )
  const frame = {
    id: 'candidates',
    title: 'Cross-validated accuracy by method',
    description: 'One bar per method that was tried; the chosen one is emphasised.',
  }
  const rows = candidates.map(({ name, accuracy, nll, parameters }) => [
    shorten(name, 80),
    sortEntries(parameters)
      .slice(0, MAX_PARAMETERS)
      .map(([key, value]) => `${shorten(key, 40)} ${shorten(formatParameter(value), 40)}`)
      .join(', '),
    formatPercent(accuracy),
    formatNumber(nll),
  ])
  const header = ['Method', 'Parameters', 'Accuracy', 'NLL']
  return card(
    'Method',
    element(
      'p',
      {},
      element('strong', {}, shorten(method.name, 80)),
      `: ${shorten(method.why, MAX_TEXT)}`,
    ),
    bars.length === 0
      ? null
      : [
          element('figure', {}, drawBars(frame, bars, 1)),
          tableFallback('Candidates as a table', header, rows, 2),
        ],
  )
}

function showCandidates({ candidates, method }: TrainingReport): string | null {
  if (candidates.length === 0) return null
  const rows = candidates.map(({ name, accuracy, nll, parameters }) => [
    `${toCodeSpan(name)}${name === method.name ? ' (chosen)' : ''}`,
    formatPercent(accuracy),
    formatNumber(nll),
    sortEntries(parameters)
      .map(([key, value]) => escapeMarkdown(`${key} ${shorten(formatParameter(value), MAX_LABEL)}`))
      .join(', '),
  ])
  const table = markdownTable(['Method', 'Accuracy', 'NLL', 'Parameters'], rows, [1, 2])
  return `## Candidates, cross-validated\n\n${table}`
}

/** As JSON orders them, so that a report is the same when it is written again. */
function sortEntries<Value>(parameters: Readonly<Record<string, Value>>): [string, Value][] {
  return Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))
}
