import { drawReliability } from '../charts/reliability-chart.ts'
import type { ReportAnswers, ReportOutOfFold } from '../figure-types.ts'
import { tellRange } from '../figures.ts'
import { formatCount, formatCounted, formatNumber, formatPercent } from '../format.ts'
import { type Child, element } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { card, type ReportSection, tableFallback } from './section.ts'

/** Reliability diagrams with their tables, of the test and, where few rows were tested, of what the folds held out. */
export const reliabilitySection: ReportSection = {
  half: (report) => findAnswers(report).length < 2,
  html(report) {
    const shown = findAnswers(report)
    if (shown.length === 0) return null
    const diagrams = shown.map((answers) => element('div', {}, ...renderAnswers(answers)))
    const isPair = diagrams.length > 1
    return card('Reliability', isPair ? element('div', { class: 'pair' }, diagrams) : diagrams)
  },
  markdown(report) {
    const shown = findAnswers(report).filter(({ ece }) => ece !== null)
    if (shown.length === 0) return null
    return `## Calibration\n\n${shown.map(tellError).join(' ')}`
  },
}

interface Shown extends Pick<ReportOutOfFold, 'rows' | 'ece' | 'reliability'>, ReportAnswers {
  readonly id: string
  readonly on: string
}

function findAnswers({ test, outOfFold }: TrainingReport): Shown[] {
  const found: Shown[] = []
  if (outOfFold != null) {
    found.push({
      ...outOfFold,
      id: 'reliability-folds',
      on: 'training row that the folds held out',
    })
  }
  if (test !== null) found.push({ ...test, id: 'reliability', on: 'test row' })
  return found.filter(({ reliability }) => reliability.length > 0)
}

/** The calibration error in a sentence. */
function tellError({ rows, on, ece, eceInterval, eceByChance }: Shown): string {
  const range = eceInterval == null ? '' : ` (95 % interval ${tellRange(eceInterval)})`
  const chance =
    eceByChance == null
      ? ''
      : `; a head without any such error would show ${formatPercent(eceByChance)} on so many rows`
  const places = on.replace(/row\b/, 'rows')
  return `Confidence is off by ${formatPercent(ece)} on average${range} on ${formatCounted(rows, on, places)}${chance}.`
}

function renderAnswers(answers: Shown): Child[] {
  const { id, reliability, ece } = answers
  const rows = reliability.map(({ low, high, count, confidence, accuracy }) => [
    `${formatNumber(low, 2)} to ${formatNumber(high, 2)}`,
    formatPercent(confidence),
    formatPercent(accuracy),
    formatCount(count),
  ])
  const header = ['Confidence', 'Mean', 'Accuracy', 'Rows']
  const isTest = id === 'reliability'
  const counted = isTest ? 'test rows' : 'held-out rows'
  return [
    ece === null ? null : element('p', { class: 'soft' }, tellError(answers)),
    element('figure', {}, drawReliability(id, reliability, counted)),
    tableFallback(`Reliability as a table, ${counted}`, header, rows),
  ]
}
