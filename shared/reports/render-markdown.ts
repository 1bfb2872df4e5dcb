import { adviseOn, describeWarnings } from './advice.ts'
import { escapeMarkdown, toCodeSpan, toFence } from './escape.ts'
import { listFigures, tabulateBaselines } from './figures.ts'
import {
  listFineTuning,
  tabulateContenders,
  tabulateCurve,
  tellRecommendation,
} from './fine-tuning-text.ts'
import {
  formatBytes,
  formatCount,
  formatDate,
  formatDuration,
  formatNumber,
  formatParameter,
  formatPercent,
  shorten,
} from './format.ts'
import { LAYER_COLUMNS, layerRow } from './html-images.ts'
import { describeChampion, orderByF1 } from './summary.ts'
import type { ReportFineTuning, ReportTest, TrainingReport } from './types.ts'

const MAX_CLASSES = 30
const MAX_CONFUSIONS = 10
const MAX_EXAMPLES = 2
const MAX_LABEL = 60
const MAX_TEXT = 120
const MAX_NOTE = 600
const MAX_WARNINGS = 20

/** The report as Markdown: short, readable in a terminal as in a browser, user text inert. */
export function renderMarkdown(report: TrainingReport): string {
  return [
    `# ${toCodeSpan(report.name)}`,
    introduce(report),
    showResults(report),
    showBaselines(report),
    showFineTuning(report.fineTuning),
    showNotes(report),
    showLayers(report),
    showCandidates(report),
    report.test === null ? null : showConfusions(report.test),
    report.test === null ? null : showMistakes(report.test),
    report.test === null ? null : showClasses(report.test),
    showOrigin(report),
  ]
    .filter((part) => part !== null)
    .join('\n\n')
    .concat('\n')
}

function introduce({ method, encoder, created, labels, multiLabel }: TrainingReport): string {
  const kind = multiLabel ? 'labels, several per text' : 'labels'
  return (
    `Trained ${escapeMarkdown(formatDate(created))} on ${toCodeSpan(encoder.model)} (${escapeMarkdown(encoder.precision)}), ` +
    `${formatCount(labels.length)} ${kind}. Method ${toCodeSpan(method.name)}: ${escapeMarkdown(method.why)}`
  )
}

function showResults(report: TrainingReport): string {
  const { outOfDistribution, champion, sizes } = report
  const rows: string[][] = listFigures(report).map((row) => [...row])
  if (outOfDistribution !== null) {
    const { threshold, keepRate } = outOfDistribution
    rows.push([
      'Out-of-distribution threshold',
      `${formatNumber(threshold)}, keeps ${formatPercent(keepRate)}`,
    ])
  }
  rows.push(['Head', formatBytes(sizes.headBytes)])
  const table = renderTable(['Result', 'Value'], rows)
  if (champion === null) return `## Result\n\n${table}`
  const sentence = describeChampion(champion, toCodeSpan(champion.model))
  return `## Result\n\n${table}\n\n**${sentence}.**`
}

function showFineTuning(report: ReportFineTuning | undefined): string | null {
  if (report === undefined) return null
  const [title, why] = tellRecommendation(report)
  const contenders = tabulateContenders(report)
  const curve = tabulateCurve(report)
  const facts = listFineTuning(report).map(([term, value]) => [
    escapeMarkdown(term),
    escapeMarkdown(shorten(value, MAX_NOTE)),
  ])
  const parts = [
    `## Fine-tuning\n\n**${title}.** ${escapeMarkdown(why)}`,
    ...(contenders.rows.length > 0
      ? [renderTable(contenders.header, escapeCells(contenders.rows), [1, 2, 3, 4, 5])]
      : []),
    renderTable(['Setting', 'Value'], facts),
    ...(curve.rows.length > 0 ? [renderTable(curve.header, curve.rows, [0, 1, 2, 3, 4])] : []),
  ]
  return parts.join('\n\n')
}

function showBaselines(report: TrainingReport): string | null {
  const { header, rows } = tabulateBaselines(report)
  if (rows.length === 0) return null
  return `## Beside simpler answers\n\n${renderTable(header, escapeCells(rows), [1, 2, 3, 4])}`
}

function escapeCells(rows: readonly (readonly string[])[]): string[][] {
  return rows.map(([name = '', ...numbers]) => [escapeMarkdown(name), ...numbers])
}

function showNotes(report: TrainingReport): string | null {
  const warnings = describeWarnings(report.dataset)
  const lines = [
    ...warnings.slice(0, MAX_WARNINGS).map((line) => shorten(line, MAX_NOTE)),
    ...adviseOn(report),
  ]
  if (lines.length === 0) return null
  return `## Warnings and advice\n\n${lines.map((line) => `- ${escapeMarkdown(line)}`).join('\n')}`
}

function showLayers({ layers = [] }: TrainingReport): string | null {
  if (layers.length === 0) return null
  const rows = layers.map((layer) => layerRow(layer).map(escapeMarkdown))
  return `## Transfer layers\n\n${renderTable(LAYER_COLUMNS, rows, [1, 2, 3, 4])}`
}

function showMistakes({ mistakes = [] }: ReportTest): string | null {
  if (mistakes.length === 0) return null
  const lines = mistakes
    .slice(0, MAX_CONFUSIONS)
    .map(({ image, actual, predicted, confidence }) => {
      const path = toCodeSpan(shorten(image, MAX_TEXT))
      return `- ${path}: ${showLabel(actual)} taken for ${showLabel(predicted)}, ${formatPercent(confidence)} sure`
    })
  return `## Worst errors\n\n${lines.join('\n')}`
}

function showCandidates({ candidates, method }: TrainingReport): string | null {
  if (candidates.length === 0) return null
  const rows = candidates.map(({ name, accuracy, nll, parameters }) => [
    `${toCodeSpan(name)}${name === method.name ? ' (chosen)' : ''}`,
    formatPercent(accuracy),
    formatNumber(nll),
    Object.entries(parameters)
      .map(([key, value]) => escapeMarkdown(`${key} ${shorten(formatParameter(value), MAX_LABEL)}`))
      .join(', '),
  ])
  const table = renderTable(['Method', 'Accuracy', 'NLL', 'Parameters'], rows, [1, 2])
  return `## Candidates, cross-validated\n\n${table}`
}

function showConfusions({ worstConfusions, perClass }: ReportTest): string | null {
  if (worstConfusions.length === 0) return null
  const support = new Map(perClass.map((entry) => [entry.label, entry.support]))
  const lines = worstConfusions.slice(0, MAX_CONFUSIONS).flatMap((confusion) => {
    const { actual, predicted, count, examples } = confusion
    const of = support.get(actual)
    const head =
      `- ${showLabel(actual)} taken for ${showLabel(predicted)}: ${formatCount(count)}` +
      (of === undefined ? '' : ` of ${formatCount(of)}`)
    const texts = examples
      .slice(0, MAX_EXAMPLES)
      .map((text) => `  - ${toCodeSpan(shorten(text, MAX_TEXT))}`)
    return [head, ...texts]
  })
  return `## Worst confusions\n\n${lines.join('\n')}`
}

function showClasses({ perClass }: ReportTest): string | null {
  if (perClass.length === 0) return null
  const shown = orderByF1(perClass).slice(0, MAX_CLASSES)
  const rows = shown.map(({ label, precision, recall, f1, support }) => [
    showLabel(label),
    formatPercent(precision),
    formatPercent(recall),
    formatPercent(f1),
    formatCount(support),
  ])
  const table = renderTable(['Label', 'Precision', 'Recall', 'F1', 'Test rows'], rows, [1, 2, 3, 4])
  const left = perClass.length - shown.length
  const title = left > 0 ? `the ${MAX_CLASSES} lowest of ${formatCount(perClass.length)}` : 'by F1'
  return `## Labels, ${title}\n\n${table}`
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
  return `## Origin\n\n${renderTable(['Item', 'Value'], rows)}\n\n${toFence(command)}`
}

function showLabel(label: string): string {
  return toCodeSpan(shorten(label, MAX_LABEL))
}

/** A table whose columns line up in a terminal; `numeric` columns lean right. */
function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly number[] = [],
): string {
  const widths = header.map((title, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (numeric.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' | ')} |`
  const rule = widths.map((width, i) =>
    numeric.includes(i) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  )
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}
